"""Image classification tasks for networks with heads of their own: by task, and among the classes of all tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from fusion_bench.dataset.batches import check_loader_options
from fusion_bench.dataset.pixel_store import PixelStore
from fusion_bench.dataset.sources import task_needed
from fusion_bench.dataset.task import check_entry
from fusion_bench.models.task_models import TaskModels
from fusion_bench.report import EvalReport, ModelInfo, TaskScore
from fusion_bench.sources.needed import Needed
from fusion_bench.taskpool.base_pool import BaseTaskPool, device_of, model_info
from fusion_bench.taskpool.classifier_sources import ClassifierSources
from fusion_bench.taskpool.clip_sources import ClipSources
from fusion_bench.taskpool.clip_tasks import ClipTasks
from fusion_bench.taskpool.output_heads import OutputHeads, TaskHead
from fusion_bench.taskpool.scoring import Scoring, task_score
from fusion_bench.taskpool.union_scoring import RULES, union_scores
from fusion_bench.utils.cache import cache_directory
from fusion_bench.utils.memory import reusing_freed_memory

HEADS = ("shared", "task", "text")


class ImageClassificationTaskPool(BaseTaskPool):
    """Scores image classifiers on each task, and on the union of the classes of all tasks that are scored.

    The score of a task is among its own classes. ``joint`` of the report is among the classes of all tasks scored, over
    all their images; it is there where there are two tasks or more. A :class:`TaskModels`, which partial zip gives,
    answers for each task with the network of that task.

    Args:
        test_datasets: name to task, see :class:`fusion_bench.dataset.task.ClassificationTask`; with ``classes`` several
            tasks can share a data set.
        processor: Hub id, directory, ``_target_`` config or live image processor of transformers, or a function from an
            RGB image to a tensor; None takes images as tensors that are ready.
        heads: ``shared``, one output a class of all tasks; ``task``, one output a class of one task; ``text``, outputs
            are compared with the text features of the class names.
        outputs: name of a task to its outputs of a shared head, in the order of its classes; None counts them through
            the tasks in their order.
        base_model: Hub id or directory of the CLIP model with the text features.
        logit_scale: factor on the cosines with text features; None takes that of the CLIP model.
        joint: how classes of different tasks are compared: by ``logits``, or by ``probabilities`` within each task.
        tasks: names of the tasks to use, in that order; None uses all.
        dataloader_kwargs: arguments of ``torch.utils.data.DataLoader``, such as ``batch_size`` (128).
        fast_dev_run: one batch a task; None leaves it to the program.
        move_to_device: score on the program's device; otherwise where the model is.
        cache_dir: where downloads, text features and preprocessed images are kept; None is the libraries' own caches.
        model_dir: directory with local copies of models of the Hub, as ``OWNER/NAME`` or ``NAME``.
        data_dir: directory with local copies of data sets of the Hub, likewise.
        pixel_cache_gib: GiB of disk for preprocessed images of all runs; 0 keeps them in memory.

    Raises:
        KeyError: if ``tasks`` or ``outputs`` name an unknown task, or class names are neither given nor known.
        ValueError: if an option is none of those above, or ``heads`` is ``text`` without ``base_model``.
    """

    _config_mapping: ClassVar[Mapping[str, str]] = {
        "_test_datasets": "test_datasets",
        "_processor": "processor",
        "_heads": "heads",
        "_outputs": "outputs",
        "_base_model": "base_model",
        "_logit_scale": "logit_scale",
        "_joint": "joint",
        "_tasks": "tasks",
        "_dataloader_kwargs": "dataloader_kwargs",
        "_fast_dev_run": "fast_dev_run",
        "_move_to_device": "move_to_device",
        "_cache_dir": "cache_dir",
        "_model_dir": "model_dir",
        "_data_dir": "data_dir",
        "_pixel_cache_gib": "pixel_cache_gib",
    }

    def __init__(
        self,
        test_datasets: Mapping[str, Any],
        *,
        processor: Any = None,
        heads: str = "shared",
        outputs: Mapping[str, Sequence[int]] | None = None,
        base_model: str | Path | None = None,
        logit_scale: float | None = None,
        joint: str = "logits",
        tasks: Any = None,
        dataloader_kwargs: Mapping[str, Any] | None = None,
        fast_dev_run: bool | None = None,
        move_to_device: bool = True,
        cache_dir: str | Path | None = None,
        model_dir: str | Path | None = None,
        data_dir: str | Path | None = None,
        pixel_cache_gib: float = 50.0,
    ) -> None:
        self._test_datasets = test_datasets
        self._processor = processor
        self._heads = heads
        self._outputs = outputs
        self._base_model = base_model
        self._logit_scale = logit_scale
        self._joint = joint
        self._tasks = tasks
        self._dataloader_kwargs = dataloader_kwargs
        self._fast_dev_run = fast_dev_run
        self._move_to_device = move_to_device
        self._cache_dir = cache_dir
        self._model_dir = model_dir
        self._data_dir = data_dir
        self._pixel_cache_gib = pixel_cache_gib
        self._check_arguments()
        text = ClipSources(None, None, base_model, None, cache_dir, model_dir) if heads == "text" else None
        self._sources = ClassifierSources(processor, text, cache_dir, model_dir)
        limit = int(pixel_cache_gib * 2**30)
        store = PixelStore(cache_directory("pixels", cache_dir), limit) if limit else None
        self._once = ClipTasks(
            test_datasets, self._sources, dataloader_kwargs or {}, store, cache_dir, data_dir, lambda images: images
        )

    @property
    def task_names(self) -> list[str]:
        """The names of the tasks, in the order given."""
        return [str(name) for name in (self._test_datasets if self._tasks is None else self._tasks)]

    def needed(self) -> list[Needed]:
        """The files of the image processor, of the CLIP model with the text features, and of the data sets."""
        found = self._sources.needed()
        for task in self.task_names:
            entry = self._test_datasets[task]
            found += task_needed(task, entry, data_dir=self._data_dir, cache_dir=self._cache_dir)
        return found

    def evaluate_task(self, model: nn.Module, task: str) -> TaskScore:
        """Top-1 accuracy and mean cross-entropy among the classes of one task.

        Raises:
            KeyError: if a :class:`TaskModels` has no network of that task.
            ValueError: if the model has not as many outputs as the classes take.
        """
        return self.reports([model], [model_info(model)], [task])[0].scores[task]

    def reports(
        self, models: Sequence[nn.Module], infos: Sequence[ModelInfo], tasks: Sequence[str]
    ) -> list[EvalReport]:
        """The reports of the models, with ``joint`` where there are several tasks."""
        return self._reports(models, infos, tasks, self._joint)

    def evaluate_ensemble(self, models: Mapping[str, nn.Module], name: str | None = "ensemble") -> EvalReport:
        """Score one model a task together: each answers for the classes of its own task, by their probabilities.

        Args:
            models: by the name of their task.
            name: goes to ``model_info.name`` of the report.

        Raises:
            KeyError: if one of the names is no task of this pool.
        """
        self._choose(list(models))
        tasks = [task for task in self.task_names if task in models]
        members = [models[task] for task in tasks]
        ensemble = TaskModels(tasks, members, [key for member in members for key in member.state_dict()])
        with self.ready(ensemble) as lent:
            return self._reports([lent], [model_info(ensemble, name)], tasks, "probabilities")[0]

    def class_vectors(self, task: str) -> Tensor:
        """The text features of the classes of a task, unit vectors ``(classes, dim)``, to train a network with.

        Raises:
            KeyError: if the pool has no such task.
            ValueError: unless ``heads`` is ``text``.
        """
        self._choose([task])
        text = self._head(task).text
        if text is None:
            raise ValueError(f"a pool with heads={self._heads} has no text features")
        return text.clone()

    def _reports(
        self, models: Sequence[nn.Module], infos: Sequence[ModelInfo], tasks: Sequence[str], rule: str
    ) -> list[EvalReport]:
        with torch.inference_mode(False):  # what is kept is made as ordinary tensors
            heads = OutputHeads([self._head(task) for task in tasks])
        found = {}
        with reusing_freed_memory():  # around all tasks
            for task in tasks:
                batches = self._once.prepared(task, first_only=self.is_fast_dev_run).batches
                scoring = Scoring(heads, batches, self._once.transform, self.autocast)
                found[task] = union_scores(scoring, models, device_of(models[0]), heads.ranges(), task, rule=rule)
        reports = []
        for place, info in enumerate(infos):
            scores = {task: task_score(one[place].own) for task, one in found.items()}
            batches_of_all = [batch for one in found.values() for batch in one[place].union.values()]
            joint = task_score(dict(enumerate(batches_of_all))) if len(tasks) > 1 else None
            reports.append(EvalReport(info, scores, joint=joint))
        return reports

    def _head(self, task: str) -> TaskHead:
        names = self._once.names(task)
        classes = len(names.classnames)
        if self._heads == "task":
            return TaskHead(task, classes)
        if self._heads == "text":
            heads = self._once.heads(self._device if self._move_to_device else None)
            scale = float(heads.side.logit_scale.exp()) if self._logit_scale is None else self._logit_scale
            return TaskHead(task, classes, text=heads(names), scale=scale)
        if self._outputs is not None:
            columns = tuple(int(column) for column in self._outputs[task])
            if len(columns) != classes:
                raise ValueError(f"task {task!r} has {classes} classes, but outputs names {len(columns)} for it")
            return TaskHead(task, classes, columns)
        sizes = {name: len(self._once.names(name).classnames) for name in self.task_names}
        start = sum(size for name, size in sizes.items() if self.task_names.index(name) < self.task_names.index(task))
        return TaskHead(task, classes, tuple(range(start, start + classes)), width=sum(sizes.values()))

    def _check_arguments(self) -> None:
        """Find mistakes in the configuration before anything is loaded."""
        if not isinstance(self._test_datasets, Mapping):
            raise TypeError(f"test_datasets must map names to tasks, got a {type(self._test_datasets).__name__}")
        for task in self.task_names:
            if task not in self._test_datasets:
                raise KeyError(
                    f"tasks names {task!r}, which is not in test_datasets; it has {list(self._test_datasets)}"
                )
            check_entry(task, self._test_datasets[task])
            if self._outputs is not None and task not in self._outputs:
                raise KeyError(f"outputs names {list(self._outputs)}, but not the task {task!r}")
        check_loader_options(self._dataloader_kwargs or {})
        for argument, value, allowed in (("heads", self._heads, HEADS), ("joint", self._joint, RULES)):
            if value not in allowed:
                raise ValueError(f"{argument} must be one of {', '.join(allowed)}; got {value!r}")
        if self._heads == "text" and self._base_model is None:
            raise ValueError("heads=text needs base_model, the CLIP model whose text features the outputs are")
        if self._pixel_cache_gib < 0:
            raise ValueError(f"pixel_cache_gib must be 0 or more, got {self._pixel_cache_gib}")
