"""Zero-shot image classification tasks for CLIP vision towers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from fusion_bench.dataset.pixels import EncodedImages, PixelBatches, PixelTransform, check_loader_options
from fusion_bench.dataset.registry import ClassNames
from fusion_bench.dataset.sources import localised, task_needed
from fusion_bench.dataset.task import as_task, check_entry
from fusion_bench.models.clip_classifier import ZeroShotClassifier
from fusion_bench.models.clip_vision import float_dtype, vision_tower
from fusion_bench.report import TaskScore
from fusion_bench.sources.needed import Needed
from fusion_bench.taskpool.base_pool import BaseTaskPool, device_of
from fusion_bench.taskpool.clip_sources import ClipSources
from fusion_bench.taskpool.heads import ZeroShotHeads, check_backbone
from fusion_bench.taskpool.layer_features import LayerFeatures

KEPT_PIXEL_BYTES = 4 << 30


@dataclass(frozen=True)
class PreparedTask:
    """What stays the same however often a task is scored."""

    names: ClassNames
    batches: PixelBatches


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
        layer_wise_feature_save_path: directory for the outputs of every encoder layer,
            ``<path>/<task>/layer_<i>.safetensors``; None saves none.
        layer_wise_feature_first_token_only: save the class token of each image, not all tokens.
        layer_wise_feature_max_num: save this many images a task; None saves all.
        fast_dev_run: one batch a task; None leaves it to the program.
        move_to_device: score on the program's device; otherwise where the model is.
        cache_dir: where downloads are kept; None is the libraries' own caches.
        model_dir: directory with local copies of models of the Hub, as ``OWNER/NAME`` or ``NAME``.
        data_dir: directory with local copies of data sets of the Hub, likewise.

    Raises:
        KeyError: if ``tasks`` names an unknown task, or the class names of a task are neither given nor known.
        ValueError: if there is nothing to take the CLIP model, the tokenizer or the image processor from.
    """

    _config_mapping: ClassVar[Mapping[str, str]] = {
        "_test_datasets": "test_datasets",
        "_processor": "processor",
        "_clip_model": "clip_model",
        "_base_model": "base_model",
        "_tasks": "tasks",
        "_data_processor": "data_processor",
        "_dataloader_kwargs": "dataloader_kwargs",
        "_layer_wise_feature_save_path": "layer_wise_feature_save_path",
        "_layer_wise_feature_first_token_only": "layer_wise_feature_first_token_only",
        "_layer_wise_feature_max_num": "layer_wise_feature_max_num",
        "_fast_dev_run": "fast_dev_run",
        "_move_to_device": "move_to_device",
        "_cache_dir": "cache_dir",
        "_model_dir": "model_dir",
        "_data_dir": "data_dir",
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
        layer_wise_feature_save_path: str | Path | None = None,
        layer_wise_feature_first_token_only: bool = True,
        layer_wise_feature_max_num: int | None = None,
        fast_dev_run: bool | None = None,
        move_to_device: bool = True,
        cache_dir: str | Path | None = None,
        model_dir: str | Path | None = None,
        data_dir: str | Path | None = None,
    ) -> None:
        self._test_datasets = test_datasets
        self._processor = processor
        self._clip_model = clip_model
        self._base_model = base_model
        self._tasks = tasks
        self._data_processor = data_processor
        self._dataloader_kwargs = dataloader_kwargs
        self._layer_wise_feature_save_path = layer_wise_feature_save_path
        self._layer_wise_feature_first_token_only = layer_wise_feature_first_token_only
        self._layer_wise_feature_max_num = layer_wise_feature_max_num
        self._fast_dev_run = fast_dev_run
        self._move_to_device = move_to_device
        self._cache_dir = cache_dir
        self._model_dir = model_dir
        self._data_dir = data_dir
        self._prepared: dict[tuple[str, bool], PreparedTask] = {}
        self._heads: ZeroShotHeads | None = None
        self._transform: PixelTransform | None = None
        self._sources = ClipSources(processor, clip_model, base_model, data_processor, cache_dir, model_dir)
        self._check_arguments()

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
        tower, classifier, batches = self._set_up(model, task)
        if self._layer_wise_feature_save_path is None:
            return self._score(tower, classifier, batches)
        features = LayerFeatures(
            first_token_only=self._layer_wise_feature_first_token_only, max_num=self._layer_wise_feature_max_num
        )
        with features.collect(tower):
            score = self._score(tower, classifier, batches)
        features.save(Path(self._layer_wise_feature_save_path) / task)
        return score

    def predict(self, model: nn.Module, task: str) -> Predictions:
        """What the model says to each image of one task, and what is right, in the order of the data set.

        Raises:
            KeyError: if the pool has no such task.
            ValueError: if the model is of another backbone than the pool's CLIP model, or a label is no class.
        """
        self._choose([task])
        with self.ready(model) as lent:
            tower, classifier, batches = self._set_up(lent, task)
            pairs = [(logits.argmax(dim=-1), labels) for logits, labels in self._logits(tower, classifier, batches)]
        predicted, labels = (torch.cat(column).cpu() for column in zip(*pairs, strict=True))
        return Predictions(predicted, labels)

    def classifier(self, task: str, tower: nn.Module) -> ZeroShotClassifier:
        """The frozen head, projection and scale with which the pool makes a classifier of ``tower`` for one task.

        Raises:
            KeyError: if the pool has no such task.
            ValueError: if the tower is of another backbone than the pool's CLIP model.
        """
        self._choose([task])
        check_backbone(tower, self._zero_shot_heads().side)
        return self._classifier(self._prepare(task).names)

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
        names = self._prepare(task).names
        described = as_task(task, localised(source, self._data_dir))
        if described.classnames is not None and described.resolve_names(task).classnames != names.classnames:
            raise ValueError(
                f"the training data of task {task!r} have other class names than the task pool: "
                f"{list(described.resolve_names(task).classnames[:3])}…, not {list(names.classnames[:3])}…; leave "
                "classnames out there, those of the task pool are used"
            )
        named = replace(described, classnames=names.classnames)
        images = named.load(task, cache_dir=self._cache_dir, split="train")
        return EncodedImages(images, self._pixel_transform())

    def _classifier(self, names: ClassNames) -> ZeroShotClassifier:
        heads = self._zero_shot_heads()
        return ZeroShotClassifier(heads(names), heads.side.visual_projection, heads.side.logit_scale)

    def _set_up(self, model: nn.Module, task: str) -> tuple[nn.Module, ZeroShotClassifier, PixelBatches]:
        tower = vision_tower(model)
        with torch.inference_mode(False):  # what is kept is made as ordinary tensors
            check_backbone(tower, self._zero_shot_heads().side)
            prepared = self._prepare(task)
            return tower, self._classifier(prepared.names), prepared.batches

    def _score(self, tower: nn.Module, classifier: ZeroShotClassifier, batches: PixelBatches) -> TaskScore:
        correct, losses, count = [], [], 0
        for logits, labels in self._logits(tower, classifier, batches):
            correct.append((logits.argmax(dim=-1) == labels).sum())
            losses.append(cross_entropy(logits, labels, reduction="sum"))
            count += len(labels)
        # Only here the host waits for the device.
        loss = float(torch.stack(losses).cpu().double().sum()) / count
        return TaskScore(int(torch.stack(correct).sum()) / count, loss)

    def _logits(
        self, tower: nn.Module, classifier: ZeroShotClassifier, batches: PixelBatches
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Logits and labels, batch by batch, on the device of the tower."""
        device, dtype = device_of(tower), float_dtype(tower)
        classifier = classifier.to(device)
        for encoded, labels in batches:
            pixels = self._pixel_transform().decode(encoded.to(device, non_blocking=True)).to(dtype)
            with self.autocast():
                logits = classifier.logits(tower, pixels)
            yield logits, labels.to(device, non_blocking=True)

    # ---- what is set up once

    def _prepare(self, task: str) -> PreparedTask:
        """The class names and images of a task."""
        key = (task, self.is_fast_dev_run)
        if key not in self._prepared:
            described = as_task(task, localised(self._test_datasets[task], self._data_dir))
            images = described.load(task, cache_dir=self._cache_dir)
            room = KEPT_PIXEL_BYTES - sum(prepared.batches.kept_bytes for prepared in self._prepared.values())
            batches = PixelBatches(
                EncodedImages(images, self._pixel_transform()),
                self._dataloader_kwargs or {},
                keep_bytes=room,
                first_only=self.is_fast_dev_run,
            )
            self._prepared[key] = PreparedTask(described.resolve_names(task), batches)
        return self._prepared[key]

    def _zero_shot_heads(self) -> ZeroShotHeads:
        if self._heads is None:
            self._heads = self._sources.heads(self._device if self._move_to_device else None)
        return self._heads

    def _pixel_transform(self) -> PixelTransform:
        if self._transform is None:
            self._transform = self._sources.pixel_transform()
        return self._transform

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
        LayerFeatures(max_num=self._layer_wise_feature_max_num)
