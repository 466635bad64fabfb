"""A classification task as a user describes it: data, class names and prompts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fusion_bench.dataset.description import LOADING_KEYS, NAMING_KEYS, check_keys, expand, split_of
from fusion_bench.dataset.images import LabelledImages, class_index
from fusion_bench.dataset.loading import load_image_classification
from fusion_bench.dataset.registry import ClassNames, class_names
from fusion_bench.utils.configurable import Configurable, build

DEFAULT_TEMPLATES = ("a photo of a {}.",)


@dataclass(kw_only=True)
class ClassificationTask(Configurable):
    """Images with labels, and what their classes are called.

    In the ``test_datasets`` of a task pool, a task is any of::

        mnist: ylecun/mnist                                 # Hub id or directory; a task whose class names are known
        mnist: {path: ylecun/mnist, split: test}            # arguments of load_image_classification
        birds: my/birds.yaml                                # a data set of your own, described in a file
        birds:                                              # or here
          dataset: {path: data/birds, split: validation}    # or a Hub id, a directory, a _target_ config
          classnames: [sparrow, robin]                      # or the name of a task whose class names are known
          templates: ["a photo of a {}, a bird."]
        birds: {_target_: my_package.load_birds}            # builds a data set, or a ClassificationTask

    Args:
        dataset: Hub id, directory, arguments of :func:`load_image_classification`, ``_target_`` config, or rows that
            are ``(image, label)`` pairs or have columns of images and labels.
        classnames: the classes in the order of the labels; the name of a known task for its classes; None for those
            known for the name the task has in the pool.
        templates: prompts with one ``{}`` for the class name; None for those that belong to the known class names,
            else ``"a photo of a {}."``.
        classes: names or numbers of the classes that the task consists of, in the order of its labels; images of others
            are left out. None is all.
    """

    dataset: Any
    classnames: Sequence[str] | str | None = None
    templates: Sequence[str] | None = None
    classes: Sequence[str | int] | None = None

    def resolve_names(self, task: str) -> ClassNames:
        """Class names and templates of this task under the name ``task``.

        Raises:
            KeyError: if they are not given and not known.
            TypeError: if a class name or template is not a string.
            ValueError: if there is no class name, a template does not hold ``{}`` once, or ``classes`` names one that
                is not there, or one twice.
        """
        names = self.all_names(task)
        if self.classes is None:
            return names
        return ClassNames(tuple(names.classnames[number] for number in self._numbers(task, names)), names.templates)

    def all_names(self, task: str) -> ClassNames:
        """Class names and templates, those of classes that are left out included; see :meth:`resolve_names`."""
        if self.classnames is None or isinstance(self.classnames, str):
            known = class_names(self.classnames or task)
            names, templates = known.classnames, known.templates
        else:
            names, templates = tuple(self.classnames), DEFAULT_TEMPLATES
        if self.templates is not None:
            if isinstance(self.templates, str):
                raise TypeError(
                    f"task {task!r}: templates must be a list of prompts, got the string {self.templates!r}"
                )
            templates = tuple(self.templates)
        for text in (*names, *templates):
            if not isinstance(text, str):
                raise TypeError(
                    f"task {task!r}: class names and templates must be strings, got {text!r}; quote it in YAML"
                )
        if not names:
            raise ValueError(f"task {task!r}: classnames is empty; it must list the classes in the order of the labels")
        for template in templates:
            if template.count("{}") != 1:
                raise ValueError(f"task {task!r}: a template must hold {{}} once, for the class name; got {template!r}")
        return ClassNames(names, templates)

    def load(self, task: str, *, cache_dir: str | Path | None = None, split: str = "test") -> LabelledImages:
        """The images, with labels counted in the class names.

        Args:
            task: the name of the task in the pool.
            cache_dir: where downloads are kept; None is the data set library's own cache.
            split: which part of a data set given by id, directory or path, where the task does not say.

        Raises:
            FileNotFoundError: if there is no such data set.
            KeyError: if the class names are unknown or a column is missing.
        """
        images = self.load_images(task, cache_dir=cache_dir, split=split)
        return images if self.classes is not None else images.with_classnames(self.all_names(task).classnames)

    def load_images(self, task: str, *, cache_dir: str | Path | None = None, split: str = "test") -> LabelledImages:
        """The images without names for their labels, unless those are needed to choose; see :meth:`load`.

        Raises:
            FileNotFoundError: if there is no such data set.
            KeyError: if a column is missing.
            ValueError: if there is no image of the chosen classes.
        """
        data = self.dataset
        if isinstance(data, str | Path):
            data = {"path": data}
        if isinstance(data, Mapping) and "_target_" in data:
            data = build(data)
        elif isinstance(data, Mapping) and "path" in data:
            data = load_image_classification(**{"cache_dir": cache_dir, **split_of(data, split)})
        images = LabelledImages.of(data, origin=f"the data set of task {task!r}")
        if self.classes is None:
            return images
        names = self.all_names(task)
        return images.with_classnames(names.classnames).of_classes(self._numbers(task, names))

    def _numbers(self, task: str, names: ClassNames) -> list[int]:
        """The classes of the task as numbers among all."""
        if isinstance(self.classes, str) or not self.classes:
            raise ValueError(f"task {task!r}: classes must list names or numbers of classes, got {self.classes!r}")
        where = f"task {task!r}, classes"
        numbers = [class_index(one, names.classnames, where) for one in self.classes]
        if len(set(numbers)) < len(numbers):
            raise ValueError(f"{where}: one is named twice in {list(self.classes)}")
        return numbers


def as_task(name: str, entry: Any) -> ClassificationTask:
    """The task that an entry of ``test_datasets`` describes; nothing is loaded unless it is a ``_target_`` config.

    Raises:
        FileNotFoundError: if it names a YAML file that is not there.
        TypeError: if a plain mapping has a key that is not known.
        ValueError: if the YAML file it names does not describe a data set.
    """
    entry = expand(name, entry)
    if isinstance(entry, Mapping) and "_target_" in entry:
        entry = build(entry)
    if isinstance(entry, ClassificationTask):
        return entry
    if isinstance(entry, Mapping):
        allowed = ("dataset", *NAMING_KEYS) if "dataset" in entry else LOADING_KEYS
        check_keys(f"task {name!r}", entry, allowed)
        if "dataset" in entry:
            return ClassificationTask(**{str(key): value for key, value in entry.items()})
    return ClassificationTask(dataset=entry)


def check_entry(name: str, entry: Any) -> None:
    """Find mistakes in an entry of ``test_datasets`` without loading data, as far as that can be done.

    What a ``_target_`` of the user's own builds is not known before it is built.

    Raises:
        KeyError: if class names are neither given nor known.
        TypeError: if a key is unknown, or a class name or template is not a string.
    """
    target = entry.get("_target_") if isinstance(entry, Mapping) else None
    if target == f"{load_image_classification.__module__}.{load_image_classification.__qualname__}":
        entry = {key: value for key, value in entry.items() if key != "_target_"}
    elif target is not None and target != f"{ClassificationTask.__module__}.{ClassificationTask.__qualname__}":
        return
    as_task(name, entry).resolve_names(name)
