"""Zero-shot image classification tasks for CLIP vision towers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from fusion_bench.dataset.batches import check_loader_options
from fusion_bench.dataset.corruptions.images import CorruptedImages, check_corruption
from fusion_bench.dataset.images import LabelledImages
from fusion_bench.dataset.pixel_store import PixelStore
from fusion_bench.dataset.pixels import EncodedImages
from fusion_bench.dataset.sources import task_needed
from fusion_bench.dataset.task import check_entry
from fusion_bench.models.clip_classifier import ZeroShotClassifier
from fusion_bench.models.clip_vision import vision_tower
from fusion_bench.report import TaskScore
from fusion_bench.sources.needed import Needed
from fusion_bench.taskpool.base_pool import BaseTaskPool, device_of
from fusion_bench.taskpool.clip_sources import ClipSources
from fusion_bench.taskpool.clip_tasks import ClipTasks, PreparedTask
from fusion_bench.taskpool.compiled import CompiledTowers
from fusion_bench.taskpool.group import follow, is_grouped, lead
from fusion_bench.taskpool.heads import check_backbone
from fusion_bench.taskpool.layer_features import LayerFeatures
from fusion_bench.taskpool.ray_scoring import RayScoring
from fusion_bench.taskpool.scoring import Scoring, task_score
from fusion_bench.utils.ahead import ahead
from fusion_bench.utils.cache import cache_directory
from fusion_bench.utils.memory import reusing_freed_memory


@dataclass(frozen=True)
class Predictions:
    """The class chosen for each image and the right one, ``(images,)`` int64 each."""

    predicted: Tensor
    labels: Tensor

    @property
    def correct(self) -> Tensor:
        """Whether each image was classified rightly, ``(images,)`` bool."""
        return self.predicted == self.labels


class CLIPVisionModelTaskPool(BaseTaskPool):
    """Scores vision towers on zero-shot classification with the heads of a pretrained CLIP model.

    Data sets, preprocessed images and heads are set up when a task is first scored and kept. Takes a
    ``CLIPVisionModel``, a ``CLIPVisionModelWithProjection`` or ``CLIPModel`` (whose vision tower is scored), or any
    module that is called with ``pixel_values`` and gives ``pooler_output``.

    Args:
        test_datasets: name to task, see :class:`fusion_bench.dataset.task.ClassificationTask`.
        processor: Hub id, directory, ``_target_`` config or live CLIP processor (image processor and tokenizer); None
            takes those of ``base_model``, else of ``clip_model``.
        clip_model: the pretrained CLIP model: Hub id, directory, ``_target_`` config or live ``CLIPModel``, which is
            not changed; None takes ``base_model``.
        base_model: Hub id or directory for whatever of the two is not given.
        tasks: names of the tasks to use, in that order; None uses all.
        data_processor: preprocesses images instead of ``processor``: an HF image processor, a function from an RGB
            image to a tensor, or a ``_target_`` config of one.
        dataloader_kwargs: arguments of ``torch.utils.data.DataLoader``, such as ``batch_size`` (128) and
            ``num_workers`` (0).
        corruption: what to do to each test image before it is preprocessed, such as ``gaussian_noise``; None leaves
            images as they are. Training images are never corrupted.
        corruption_severity: how much of it, from 1 to 5.
        corruption_seed: of what is random in it; together with the index of an image it decides what happens to it.
        layer_wise_feature_save_path: directory for the outputs of every encoder layer,
            ``<path>/<task>/layer_<i>.safetensors``; None saves none.
        layer_wise_feature_first_token_only: save the class token of each image, not all tokens.
        layer_wise_feature_max_num: save this many images a task; None saves all.
        fast_dev_run: one batch a task; None leaves it to the program.
        move_to_device: score on the program's device; otherwise where the model is.
        cache_dir: where downloads, heads and preprocessed images are kept; None is the libraries' own caches, and
            ``fusion_bench`` in the user's cache directory.
        model_dir: directory with local copies of models of the Hub, as ``OWNER/NAME`` or ``NAME``.
        data_dir: directory with local copies of data sets of the Hub, likewise.
        pixel_cache_gib: GiB of disk for preprocessed images, which are then made once for all runs; those not used for
            longest make room for new ones. 0 keeps images in memory, up to 4 GiB, for as long as the pool lives.
        compile: run the vision tower through ``torch.compile``.
        num_ray_actors: score tasks in this many Ray actors, each with a copy of the model; 0 scores here.

    Raises:
        KeyError: if ``tasks`` names an unknown task, the class names of a task are neither given nor known, or there is
            no such corruption.
        ValueError: if there is nothing to take the CLIP model, the tokenizer or the image processor from, or the
            severity or seed of the corruption is out of range.
    """

    shares_work = True
    _config_mapping: ClassVar[Mapping[str, str]] = {
        "_test_datasets": "test_datasets",
        "_processor": "processor",
        "_clip_model": "clip_model",
        "_base_model": "base_model",
        "_tasks": "tasks",
        "_data_processor": "data_processor",
        "_dataloader_kwargs": "dataloader_kwargs",
        "_corruption": "corruption",
        "_corruption_severity": "corruption_severity",
        "_corruption_seed": "corruption_seed",
        "_layer_wise_feature_save_path": "layer_wise_feature_save_path",
        "_layer_wise_feature_first_token_only": "layer_wise_feature_first_token_only",
        "_layer_wise_feature_max_num": "layer_wise_feature_max_num",
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
        processor: Any = None,
        clip_model: Any = None,
        base_model: str | Path | None = None,
        tasks: Any = None,
        data_processor: Any = None,
        dataloader_kwargs: Mapping[str, Any] | None = None,
        corruption: str | None = None,
        corruption_severity: int = 5,
        corruption_seed: int = 0,
        layer_wise_feature_save_path: str | Path | None = None,
        layer_wise_feature_first_token_only: bool = True,
        layer_wise_feature_max_num: int | None = None,
        fast_dev_run: bool | None = None,
        move_to_device: bool = True,
        cache_dir: str | Path | None = None,
        model_dir: str | Path | None = None,
        data_dir: str | Path | None = None,
        pixel_cache_gib: float = 50.0,
        compile: bool = False,
        num_ray_actors: int = 0,
    ) -> None:
        self._test_datasets = test_datasets
        self._processor = processor
        self._clip_model = clip_model
        self._base_model = base_model
        self._tasks = tasks
        self._data_processor = data_processor
        self._dataloader_kwargs = dataloader_kwargs
        self._corruption = corruption
        self._corruption_severity = corruption_severity
        self._corruption_seed = corruption_seed
        self._layer_wise_feature_save_path = layer_wise_feature_save_path
        self._layer_wise_feature_first_token_only = layer_wise_feature_first_token_only
        self._layer_wise_feature_max_num = layer_wise_feature_max_num
        self._fast_dev_run = fast_dev_run
        self._move_to_device = move_to_device
        self._cache_dir = cache_dir
        self._model_dir = model_dir
        self._data_dir = data_dir
        self._pixel_cache_gib = pixel_cache_gib
        self._compile = compile
        self._num_ray_actors = num_ray_actors
        self._check_arguments()
        self._sources = ClipSources(processor, clip_model, base_model, data_processor, cache_dir, model_dir)
        limit = int(pixel_cache_gib * 2**30)
        store = PixelStore(cache_directory("pixels", cache_dir), limit) if limit else None
        self._once = ClipTasks(
            test_datasets, self._sources, dataloader_kwargs or {}, store, cache_dir, data_dir, self._corrupted
        )
        self._compiled = CompiledTowers()
        self._actors: RayScoring | None = None

    @property
    def task_names(self) -> list[str]:
        """The names of the tasks, in the order given."""
        return [str(name) for name in (self._test_datasets if self._tasks is None else self._tasks)]

    def needed(self) -> list[Needed]:
        """The files of the CLIP model, its tokenizer and processor, and of the data sets of the tasks."""
        found = self._sources.needed()
        for task in self.task_names:
            entry = self._test_datasets[task]
            found += task_needed(task, entry, data_dir=self._data_dir, cache_dir=self._cache_dir)
        return found

    def vision_config(self) -> tuple[str, Any] | None:
        """Name and vision configuration of the CLIP model, without loading it; None if it is not given by path."""
        return self._sources.vision_config()

    def evaluate_task(self, model: nn.Module, task: str) -> TaskScore:
        """Top-1 accuracy and mean cross-entropy over the images of one task.

        Raises:
            ValueError: if the model is of another backbone than the pool's CLIP model, or a label is no class.
        """
        return self.evaluate_tasks([model], [task])[0][task]

    def evaluate_tasks(self, models: Sequence[nn.Module], tasks: Sequence[str]) -> list[dict[str, TaskScore]]:
        """The scores of each model by task; the images of a task are prepared once for all of them."""
        towers = [vision_tower(model) for model in models]
        with reusing_freed_memory():  # around all tasks
            return self._scores(towers, tasks)

    def _scores(self, towers: Sequence[nn.Module], tasks: Sequence[str]) -> list[dict[str, TaskScore]]:
        if self._layer_wise_feature_save_path is not None:
            return [{task: self._score_with_features(tower, task) for task in tasks} for tower in towers]
        if self._num_ray_actors:
            return self._ray().scores(towers, tasks, autocast=self._autocast_dtype(device_of(towers[0])))
        if is_grouped():
            return lead(towers, tasks, device_of(towers[0]), self._plan)
        plans = ahead((self._plan(towers, task) for task in tasks), depth=1)  # the next while one is scored
        scores = [plan.scores(towers, device_of(towers[0])) for plan in plans]
        by_task = dict(zip(tasks, scores, strict=True))
        return [{task: task_score(by_task[task][place]) for task in tasks} for place in range(len(towers))]

    def follow(self) -> None:
        """In a process of a group that is not the first: score what the first one asks for, until it ends."""
        with reusing_freed_memory():
            follow(self._device or torch.device("cpu"), self._plan)

    def predict(self, model: nn.Module, task: str) -> Predictions:
        """What the model says to each image of one task, and what is right, in the order of the data set.

        Raises:
            KeyError: if the pool has no such task.
            ValueError: if the model is of another backbone than the pool's CLIP model, or a label is no class.
        """
        self._choose([task])
        with self.ready(model) as lent, self.autocast():
            tower = vision_tower(lent)
            pairs = [
                (logits.argmax(dim=-1), labels)
                for (logits,), labels in self._plan([tower], task).logits([tower], device_of(tower))
            ]
        predicted, labels = (torch.cat(column).cpu() for column in zip(*pairs, strict=True))
        return Predictions(predicted, labels)

    def classifier(self, task: str, tower: nn.Module) -> ZeroShotClassifier:
        """The frozen head, projection and scale with which the pool makes a classifier of ``tower`` for one task.

        Raises:
            KeyError: if the pool has no such task.
            ValueError: if the tower is of another backbone than the pool's CLIP model.
        """
        self._choose([task])
        check_backbone(tower, self._once.heads(self._where()).side)
        return self._once.classifier(self._prepared(task).names, self._where())

    def training_images(self, task: str, source: Any) -> EncodedImages:
        """Images to train a task with: preprocessed as the pool does, labels counted in the class names of the task.

        Args:
            task: a task of this pool.
            source: where they come from, in any form that an entry of ``test_datasets`` may have; the split ``train``
                where it names none.

        Raises:
            KeyError: if the pool has no such task.
            ValueError: if ``source`` gives class names of its own that are not those of the task.
        """
        self._choose([task])
        return self._once.training_images(task, source)

    def _score_with_features(self, tower: nn.Module, task: str) -> TaskScore:
        features = LayerFeatures(
            first_token_only=self._layer_wise_feature_first_token_only, max_num=self._layer_wise_feature_max_num
        )
        with features.collect(tower):
            scoring = replace(self._plan([tower], task), compiled=None)  # for layers that can be watched
            (scores,) = scoring.scores([tower], device_of(tower))
        features.save(Path(str(self._layer_wise_feature_save_path)) / task)
        return task_score(scores)

    def _plan(self, towers: Sequence[nn.Module], task: str) -> Scoring:
        """What it takes to score towers on a task."""
        with torch.inference_mode(False):  # what is kept is made as ordinary tensors
            for tower in towers:
                check_backbone(tower, self._once.heads(self._where()).side)
            prepared = self._prepared(task)
            classifier = self._once.classifier(prepared.names, self._where())
        compiled = self._compiled if self._compile else None
        return Scoring(classifier, prepared.batches, self._once.transform, self.autocast, compiled)

    def _prepared(self, task: str) -> PreparedTask:
        return self._once.prepared(task, first_only=self.is_fast_dev_run)

    def _where(self) -> torch.device | None:
        """The device to score on; None is where the model is."""
        return self._device if self._move_to_device else None

    def _ray(self) -> RayScoring:
        """Actors with copies of this pool, started when they are first needed."""
        if self._actors is None:
            arguments = {key: getattr(self, attribute) for attribute, key in self._config_mapping.items()}
            arguments |= {"num_ray_actors": 0, "fast_dev_run": self.is_fast_dev_run}
            self._actors = RayScoring(self._num_ray_actors, partial(type(self), **arguments))
        return self._actors

    def _autocast_dtype(self, device: torch.device) -> torch.dtype | None:
        """The lower precision in which the towers run; None is that of their weights."""
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
        LayerFeatures(max_num=self._layer_wise_feature_max_num)
        for argument, value in (("pixel_cache_gib", self._pixel_cache_gib), ("num_ray_actors", self._num_ray_actors)):
            if value < 0:
                raise ValueError(f"{argument} must be 0 or more, got {value}")
