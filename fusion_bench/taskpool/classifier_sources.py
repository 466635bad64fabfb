"""Where a task pool of image classifiers takes its preprocessing and its text features from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from fusion_bench.dataset.pixels import PixelTransform
from fusion_bench.models.image_processors import load_processor
from fusion_bench.models.needed import processor_needed
from fusion_bench.sources.local import located
from fusion_bench.sources.needed import Needed
from fusion_bench.taskpool.clip_sources import ClipSources
from fusion_bench.taskpool.heads import ZeroShotHeads


@dataclass(frozen=True)
class ClassifierSources:
    """Where preprocessing and text features come from; both may be missing."""

    processor: Any
    text: ClipSources | None
    cache_dir: str | Path | None
    model_dir: str | Path | None

    def heads(self, device: torch.device | None) -> ZeroShotHeads:
        """The text features."""
        if self.text is None:
            raise AssertionError("there are text features with heads=text only")
        return self.text.heads(device)

    def pixel_transform(self) -> PixelTransform:
        """The preprocessing of images."""
        if self.processor is None:
            return PixelTransform(_no_processor)
        source = located(self.processor, self.model_dir)
        return PixelTransform(load_processor(source, "the task pool's processor", cache_dir=self.cache_dir))

    def needed(self) -> list[Needed]:
        """The files of both, as far as they are given by path."""
        found = [] if self.text is None else self.text.needed()
        if isinstance(self.processor, str | Path):
            where = {"root": self.model_dir, "cache_dir": self.cache_dir}
            found = [one for one in found if one.name != "processor"]
            found.append(processor_needed("task_pool", "the task pool's processor", self.processor, **where))
        return found


def _no_processor(image: Any) -> Any:
    raise ValueError("the images of the task are pictures: give the task pool a processor that makes tensors of them")
