"""Where a CLIP task pool takes its model, tokenizer and preprocessing from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from fusion_bench.dataset.pixels import PixelTransform
from fusion_bench.models.clip_config import read_vision_config
from fusion_bench.models.clip_loading import load_clip_model, load_image_processor, load_tokenizer
from fusion_bench.models.hub import model_directory
from fusion_bench.models.needed import model_needed, processor_needed, tokenizer_needed
from fusion_bench.sources.local import located
from fusion_bench.sources.needed import Needed
from fusion_bench.taskpool.head_store import HeadStore
from fusion_bench.taskpool.heads import TextSide, ZeroShotHeads
from fusion_bench.utils.cache import cache_directory
from fusion_bench.utils.configurable import build_plain


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
    model_dir: str | Path | None = None

    def __post_init__(self) -> None:
        if self.clip_model is None and self.base_model is None:
            raise ValueError("a CLIP task pool needs base_model or clip_model, to compute zero-shot heads with")
        if self.base_model is None and not isinstance(self.clip_model, str | Path) and self.processor is None:
            raise ValueError("a CLIP task pool needs processor or base_model when clip_model is not given by path")

    def heads(self, device: torch.device | None) -> ZeroShotHeads:
        """The heads of the CLIP model, computed on ``device``; a live model is used where it is, as it is."""
        source = self._model_source()
        clip = load_clip_model(located(source, self.model_dir), "the task pool's clip_model", cache_dir=self.cache_dir)
        if clip is not source:  # ours to change
            clip = clip.float().requires_grad_(False)
            clip = clip.to(device) if device is not None else clip
        tokens = located(self._tokenizer_source(), self.model_dir)
        tokenizer = load_tokenizer(tokens, "the task pool's processor", cache_dir=self.cache_dir)
        store = HeadStore(cache_directory("heads", self.cache_dir))
        return ZeroShotHeads(TextSide.of(clip, _origin(source, clip)), tokenizer, store)

    def pixel_transform(self) -> PixelTransform:
        """The preprocessing of images."""
        source = located(self._processor_source(), self.model_dir)
        return PixelTransform(load_image_processor(source, "the task pool's processor", cache_dir=self.cache_dir))

    def needed(self) -> list[Needed]:
        """The files of the CLIP model, its tokenizer and its image processor, as far as they are given by path."""
        where = {"root": self.model_dir, "cache_dir": self.cache_dir}
        model, tokens, processor = self._model_source(), self._tokenizer_source(), self._processor_source()
        found = []
        if isinstance(model, str | Path):
            found.append(model_needed("task_pool", "clip_model", "the task pool's clip_model", model, **where))
        if isinstance(tokens, str | Path):
            found.append(tokenizer_needed("task_pool", "the task pool's tokenizer", tokens, **where))
        if isinstance(processor, str | Path):
            found.append(processor_needed("task_pool", "the task pool's processor", processor, **where))
        return found

    def vision_config(self) -> tuple[str, Any] | None:
        """What the CLIP model is called and the configuration of its vision tower, without its weights.

        None where the model is not given by path.
        """
        source = self._model_source()
        if not isinstance(source, str | Path):
            return None
        owner = "the task pool's clip_model"
        directory = model_directory(located(source, self.model_dir), owner, cache_dir=self.cache_dir)
        return str(source), read_vision_config(directory, owner)

    def _model_source(self) -> Any:
        return self.base_model if self.clip_model is None else self.clip_model

    def _processor_source(self) -> Any:
        given = (self.data_processor, self.processor, self.base_model, self.clip_model)
        return next(source for source in given if source is not None)

    def _tokenizer_source(self) -> Any:
        """The processor, unless it has no tokenizer; then the model itself."""
        processor = build_plain(self.processor) if isinstance(self.processor, Mapping) else self.processor
        if isinstance(processor, str | Path) or hasattr(processor, "tokenizer"):
            return processor
        return self.base_model if self.base_model is not None else self.clip_model


def _origin(source: Any, clip: Any) -> str:
    path = source if isinstance(source, str | Path) else clip.config.name_or_path
    return repr(str(path)) if path else f"the {type(clip).__name__} in memory"
