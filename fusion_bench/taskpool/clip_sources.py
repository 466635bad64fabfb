"""Where a CLIP task pool takes its model, tokenizer and preprocessing from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from fusion_bench.dataset.pixels import PixelTransform
from fusion_bench.models.clip_loading import load_clip_model, load_image_processor, load_tokenizer
from fusion_bench.taskpool.head_store import HeadStore
from fusion_bench.taskpool.heads import TextSide, ZeroShotHeads
from fusion_bench.utils.cache import cache_directory
from fusion_bench.utils.configurable import build


@dataclass(frozen=True)
class ClipSources:
    """Paths, Hub ids, configs or live objects; what is not given is taken from ``base_model``.

    Raises:
        ValueError: if there is nothing to take the CLIP model, the tokenizer or the image processor from.
    """

    processor: Any
    clip_model: Any
    base_model: str | Path | None
    data_processor: Any
    cache_dir: str | Path | None

    def __post_init__(self) -> None:
        if self.clip_model is None and self.base_model is None:
            raise ValueError("a CLIP task pool needs base_model or clip_model, to compute zero-shot heads with")
        if self.base_model is None and not isinstance(self.clip_model, str | Path) and self.processor is None:
            raise ValueError("a CLIP task pool needs processor or base_model when clip_model is not given by path")

    def heads(self, device: torch.device | None) -> ZeroShotHeads:
        """The heads of the CLIP model, computed on ``device``; a live model is used where it is, as it is."""
        source = self.base_model if self.clip_model is None else self.clip_model
        clip = load_clip_model(source, "the task pool's clip_model", cache_dir=self.cache_dir)
        if clip is not source:  # ours to change
            clip = clip.float().requires_grad_(False)
            clip = clip.to(device) if device is not None else clip
        tokenizer = load_tokenizer(self._tokenizer_source(), "the task pool's processor", cache_dir=self.cache_dir)
        store = HeadStore(cache_directory("heads", self.cache_dir))
        return ZeroShotHeads(TextSide.of(clip, _origin(source, clip)), tokenizer, store)

    def pixel_transform(self) -> PixelTransform:
        """The preprocessing of images."""
        given = (self.data_processor, self.processor, self.base_model, self.clip_model)
        source = next(source for source in given if source is not None)
        return PixelTransform(load_image_processor(source, "the task pool's processor", cache_dir=self.cache_dir))

    def _tokenizer_source(self) -> Any:
        """The processor, unless it has no tokenizer; then the model itself."""
        processor = build(self.processor) if isinstance(self.processor, Mapping) else self.processor
        if isinstance(processor, str | Path) or hasattr(processor, "tokenizer"):
            return processor
        return self.base_model if self.base_model is not None else self.clip_model


def _origin(source: Any, clip: Any) -> str:
    path = source if isinstance(source, str | Path) else clip.config.name_or_path
    return repr(str(path)) if path else f"the {type(clip).__name__} in memory"
