"""The shape of task pools of image classification: data, precision, and who scores what."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import nn

from fusion_bench.dataset.batches import check_loader_options
from fusion_bench.dataset.corruptions.images import CorruptedImages, check_corruption
from fusion_bench.dataset.images import LabelledImages
from fusion_bench.dataset.pixel_store import PixelStore
from fusion_bench.dataset.sources import task_needed
from fusion_bench.dataset.task import check_entry
from fusion_bench.report import TaskScore
from fusion_bench.sources.needed import Needed
from fusion_bench.taskpool.base_pool import BaseTaskPool, device_of
from fusion_bench.taskpool.compiled import CompiledNetworks
from fusion_bench.taskpool.group import follow, is_grouped, lead
from fusion_bench.taskpool.image_tasks import ImageTasks, PreparedTask, Sources
from fusion_bench.taskpool.ray_scoring import RayScoring
from fusion_bench.taskpool.scoring import Question, Readings, Scoring, task_score
from fusion_bench.utils.ahead import ahead
from fusion_bench.utils.cache import cache_directory
from fusion_bench.utils.memory import reusing_freed_memory


class ImageTaskPool(BaseTaskPool):
    """Scores networks on images; a subclass says where heads and preprocessing come from, and makes logits.

    Args:
        test_datasets: name to task, see :class:`fusion_bench.dataset.task.ClassificationTask`.
        tasks: names of the tasks to use, in that order; None uses all.
        dataloader_kwargs: arguments of ``torch.utils.data.DataLoader``, such as ``batch_size`` (128).
        corruption: what to do to each test image before it is preprocessed; None leaves images as they are.
        corruption_severity: how much of it, from 1 to 5.
        corruption_seed: of what is random in it.
        fast_dev_run: one batch a task; None leaves it to the program.
        move_to_device: score on the program's device; otherwise where the model is.
        cache_dir: where downloads, heads and preprocessed images are kept.
        model_dir: directory with local copies of models of the Hub.
        data_dir: directory with local copies of data sets of the Hub.
        pixel_cache_gib: GiB of disk for preprocessed images of all runs; 0 keeps them in memory.
        compile: run networks through ``torch.compile``.
        num_ray_actors: score tasks in this many Ray actors, each with a copy of the model; 0 scores here.

    Raises:
        TypeError: if ``test_datasets`` is no mapping.
        KeyError: if ``tasks`` names an unknown task, class names are neither given nor known, or there is no such
            corruption.
        ValueError: if an option is out of range.
    """

    shares_work = True
    _sources: Sources
    _config_mapping: ClassVar[Mapping[str, str]] = {
        "_test_datasets": "test_datasets",
        "_tasks": "tasks",
        "_dataloader_kwargs": "dataloader_kwargs",
        "_corruption": "corruption",
        "_corruption_severity": "corruption_severity",
        "_corruption_seed": "corruption_seed",
        "_fast_dev_run": "fast_dev_run",
        "_move_to_device": "move_to_device",
        "_cache_dir": "cache_dir",
        "_model_dir": "model_dir",
        "_data_dir": "data_dir",
        "_pixel_cache_gib": "pixel_cache_gib",
        "_compile": "compile",
        "_num_ray_actors": "num_ray_actors",
    }

    def __init__(
        self,
        test_datasets: Mapping[str, Any],
        *,
        tasks: Any,
        dataloader_kwargs: Mapping[str, Any] | None,
        corruption: str | None,
        corruption_severity: int,
        corruption_seed: int,
        fast_dev_run: bool | None,
        move_to_device: bool,
        cache_dir: str | Path | None,
        model_dir: str | Path | None,
        data_dir: str | Path | None,
        pixel_cache_gib: float,
        compile: bool,
        num_ray_actors: int,
    ) -> None:
        self._test_datasets = test_datasets
        self._tasks = tasks
        self._dataloader_kwargs = dataloader_kwargs
        self._corruption = corruption
        self._corruption_severity = corruption_severity
        self._corruption_seed = corruption_seed
        self._fast_dev_run = fast_dev_run
        self._move_to_device = move_to_device
        self._cache_dir = cache_dir
        self._model_dir = model_dir
        self._data_dir = data_dir
        self._pixel_cache_gib = pixel_cache_gib
        self._compile = compile
        self._num_ray_actors = num_ray_actors
        self._check_arguments()
        self._compiled = CompiledNetworks()
        self._actors: RayScoring | None = None

    @property
    def task_names(self) -> list[str]:
        """The names of the tasks, in the order given."""
        return [str(name) for name in (self._test_datasets if self._tasks is None else self._tasks)]

    def needed(self) -> list[Needed]:
        """The files of heads and preprocessing, and of the data sets of the tasks."""
        found = self._sources.needed()
        for task in self.task_names:
            entry = self._test_datasets[task]
            found += task_needed(task, entry, data_dir=self._data_dir, cache_dir=self._cache_dir)
        return found

    @abstractmethod
    def _plan(self, networks: Sequence[nn.Module], task: str, question: Question) -> Scoring:
        """What it takes to score networks on a task; called in inference mode.

        Raises:
            ValueError: if one of them cannot be scored.
        """

    def _networks(self, models: Sequence[nn.Module]) -> list[nn.Module]:
        """What is scored of each model."""
        return list(models)

    def evaluate_task(self, model: nn.Module, task: str) -> TaskScore:
        """Top-1 accuracy and mean cross-entropy over the images of one task, among its classes.

        Raises:
            KeyError: if the model has no network of that task.
            ValueError: if the model does not fit the pool, or a label is no class.
        """
        return self.evaluate_tasks([model], [task])[0][task]

    def evaluate_tasks(self, models: Sequence[nn.Module], tasks: Sequence[str]) -> list[dict[str, TaskScore]]:
        """The scores of each model by task; the images of a task are prepared once for all of them."""
        found = self.batch_scores(models, Question(tuple(tasks)))
        return [{task: task_score(found[task][place][0]) for task in tasks} for place in range(len(models))]

    def batch_scores(
        self, models: Sequence[nn.Module], question: Question, tasks: Sequence[str] | None = None
    ) -> dict[str, list[Readings]]:
        """By task the scores of each of the models, which are in eval mode and on their device, batch by batch.

        Args:
            models: the models.
            question: what is asked of them.
            tasks: those of its tasks that are scored now; None is all.
        """
        networks = self._networks(models)
        device = device_of(networks[0])
        with reusing_freed_memory():  # around all tasks
            if self._num_ray_actors:
                return self._ray().scores(networks, question, autocast=self._autocast_dtype(device))
            if is_grouped():
                return lead(networks, question, device, self._plan)
            chosen = question.tasks if tasks is None else tasks
            plans = ahead((self._plan(networks, task, question) for task in chosen), depth=1)  # the next meanwhile
            return dict(zip(chosen, [plan.scores(networks, device) for plan in plans], strict=True))

    def follow(self) -> None:
        """In a process of a group that is not the first: score what the first one asks for, until it ends."""
        with reusing_freed_memory():
            follow(self._device or torch.device("cpu"), self._plan)

    @cached_property
    def _once(self) -> ImageTasks:
        """What is set up once and kept."""
        limit = int(self._pixel_cache_gib * 2**30)
        store = PixelStore(cache_directory("pixels", self._cache_dir), limit) if limit else None
        options = self._dataloader_kwargs or {}
        places = (self._cache_dir, self._data_dir)
        return ImageTasks(self._test_datasets, self._sources, options, store, *places, self._corrupted)

    def _prepared(self, task: str) -> PreparedTask:
        return self._once.prepared(task, first_only=self.is_fast_dev_run)

    def _where(self) -> torch.device | None:
        """The device to score on; None is where the model is."""
        return self._device if self._move_to_device else None

    @property
    def _compiler(self) -> CompiledNetworks | None:
        return self._compiled if self._compile else None

    def _ray(self) -> RayScoring:
        """Actors with copies of this pool, started when they are first needed."""
        if self._actors is None:
            arguments = {key: getattr(self, attribute) for attribute, key in self._config_mapping.items()}
            arguments |= {"num_ray_actors": 0, "fast_dev_run": self.is_fast_dev_run}
            self._actors = RayScoring(self._num_ray_actors, partial(type(self), **arguments))
        return self._actors

    def _autocast_dtype(self, device: torch.device) -> torch.dtype | None:
        """The lower precision in which the networks run; None is that of their weights."""
        with self.autocast():
            return torch.get_autocast_dtype(device.type) if torch.is_autocast_enabled(device.type) else None

    def _corrupted(self, images: LabelledImages) -> LabelledImages | CorruptedImages:
        if self._corruption is None:
            return images
        return CorruptedImages(images, self._corruption, self._corruption_severity, self._corruption_seed)

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
        check_loader_options(self._dataloader_kwargs or {})
        if self._corruption is not None:
            check_corruption(self._corruption, self._corruption_severity, self._corruption_seed)
        for argument, value in (("pixel_cache_gib", self._pixel_cache_gib), ("num_ray_actors", self._num_ray_actors)):
            if value < 0:
                raise ValueError(f"{argument} must be 0 or more, got {value}")
