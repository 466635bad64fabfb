"""What a task pool of images sets up once and keeps: data, preprocessing and zero-shot heads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import torch

from fusion_bench.dataset.batches import PixelBatches
from fusion_bench.dataset.corruptions.images import CorruptedImages
from fusion_bench.dataset.description import expand
from fusion_bench.dataset.images import LabelledImages
from fusion_bench.dataset.pixel_store import PixelStore
from fusion_bench.dataset.pixels import EncodedImages, PixelTransform
from fusion_bench.dataset.registry import ClassNames
from fusion_bench.dataset.sources import localised
from fusion_bench.dataset.task import ClassificationTask, as_task
from fusion_bench.models.clip_classifier import ZeroShotClassifier
from fusion_bench.sources.needed import Needed
from fusion_bench.taskpool.heads import ZeroShotHeads

KEPT_PIXEL_BYTES = 4 << 30  # in memory, of images that no store keeps


class Sources(Protocol):
    """Where heads and preprocessing come from."""

    def heads(self, device: torch.device | None) -> ZeroShotHeads:
        """The heads, computed on ``device``."""
        ...

    def pixel_transform(self) -> PixelTransform:
        """The preprocessing of images."""
        ...

    def needed(self) -> list[Needed]:
        """The files of both, as far as they are given by path."""
        ...


@dataclass(frozen=True)
class PreparedTask:
    """What stays the same however often a task is scored."""

    names: ClassNames
    batches: PixelBatches


@dataclass
class ImageTasks:
    """The tasks of a pool; nothing is loaded before it is asked for.

    Args:
        datasets: name to task, see :class:`fusion_bench.dataset.task.ClassificationTask`.
        sources: where CLIP model, tokenizer and image processor come from.
        loader_options: arguments of ``DataLoader``.
        store: keeps preprocessed images between runs; None keeps them in memory.
        cache_dir: where downloads are kept.
        data_dir: directory with local copies of data sets of the Hub.
        change: what is done to the images that are scored, before anything else.
    """

    datasets: Mapping[str, Any]
    sources: Sources
    loader_options: Mapping[str, Any]
    store: PixelStore | None
    cache_dir: str | Path | None
    data_dir: str | Path | None
    change: Callable[[LabelledImages], LabelledImages | CorruptedImages]
    _prepared: dict[tuple[str, bool], PreparedTask] = field(default_factory=dict)
    _heads: ZeroShotHeads | None = None
    _transform: PixelTransform | None = None

    def prepared(self, task: str, *, first_only: bool) -> PreparedTask:
        """The class names and batches of a task, or its first batch only."""
        key = (task, first_only)
        if key not in self._prepared:
            described = self._described(task, self.datasets[task])
            images = self.change(described.load(task, cache_dir=self.cache_dir))
            kept = sum(prepared.batches.kept_bytes for prepared in self._prepared.values())
            batches = PixelBatches(
                EncodedImages(images, self.transform),
                self.loader_options,
                keep_bytes=KEPT_PIXEL_BYTES - kept,
                first_only=first_only,
                store=self.store,
            )
            self._prepared[key] = PreparedTask(described.resolve_names(task), batches)
        return self._prepared[key]

    def names(self, task: str) -> ClassNames:
        """The class names of a task; its images are not looked at."""
        return as_task(task, self.datasets[task]).resolve_names(task)

    def training_images(self, task: str, source: Any) -> EncodedImages:
        """Images to train a task with, see :meth:`CLIPVisionModelTaskPool.training_images`."""
        own = as_task(task, self.datasets[task])
        ours = own.resolve_names(task).classnames
        described = self._described(task, source)
        if described.classnames is not None or described.classes is not None:
            theirs = replace(described, classnames=described.classnames or own.classnames).resolve_names(task)
            if theirs.classnames != ours:
                raise ValueError(
                    f"the training data of task {task!r} have other class names than the task pool: "
                    f"{list(theirs.classnames[:3])}…, not {list(ours[:3])}…; leave classnames and classes out there, "
                    "those of the task pool are used"
                )
        named = replace(described, classnames=own.all_names(task).classnames, classes=own.classes)
        return EncodedImages(named.load(task, cache_dir=self.cache_dir, split="train"), self.transform)

    def _described(self, task: str, entry: Any) -> ClassificationTask:
        """What an entry describes, with a local copy in place of a Hub id that has one."""
        return as_task(task, localised(expand(task, entry), self.data_dir))

    def heads(self, device: torch.device | None) -> ZeroShotHeads:
        """The heads, made on ``device`` when they are first asked for."""
        if self._heads is None:
            self._heads = self.sources.heads(device)
        return self._heads

    def classifier(self, names: ClassNames, device: torch.device | None) -> ZeroShotClassifier:
        """The frozen head, projection and scale for some class names."""
        heads = self.heads(device)
        return ZeroShotClassifier(heads(names), heads.side.visual_projection, heads.side.logit_scale)

    @property
    def transform(self) -> PixelTransform:
        """The preprocessing of images."""
        if self._transform is None:
            self._transform = self.sources.pixel_transform()
        return self._transform
