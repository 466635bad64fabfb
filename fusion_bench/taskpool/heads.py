"""Zero-shot heads of a pool, each computed once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from fusion_bench.dataset.registry import ClassNames
from fusion_bench.models.clip_classifier import zero_shot_head
from fusion_bench.taskpool.head_store import HeadStore, text_fingerprint
from fusion_bench.utils.cache import digest
from fusion_bench.utils.onednn import FastLinear

SAME_BACKBONE = ("hidden_size", "patch_size", "image_size")


@dataclass(frozen=True)
class TextSide:
    """What a zero-shot classifier takes from the pretrained CLIP model: all but its vision tower."""

    text_model: nn.Module
    text_projection: nn.Linear
    visual_projection: Tensor  # weight, (dim, hidden)
    logit_scale: Tensor
    vision_config: Any  # of the tower this side was trained with
    origin: str  # for error messages

    @classmethod
    def of(cls, clip: Any, origin: str) -> TextSide:
        """The parts of a ``CLIPModel``; its vision tower is not referred to, so it can be freed."""
        return cls(
            clip.text_model,
            clip.text_projection,
            clip.visual_projection.weight,
            clip.logit_scale,
            clip.config.vision_config,
            origin,
        )

    def version(self) -> tuple[tuple[int, int], ...]:
        """Changes whenever a tensor that heads depend on is replaced or written to."""
        tensors = [*self.text_model.parameters(), *self.text_projection.parameters()]
        return tuple((id(tensor), 0 if tensor.is_inference() else tensor._version) for tensor in tensors)


class ZeroShotHeads:
    """Heads by text tower, class names and templates, so that none can be stale; computed on first use.

    Args:
        side: the text side of the pretrained CLIP model; not changed.
        tokenizer: its tokenizer.
        store: keeps heads between runs; None keeps them in memory only.
    """

    def __init__(self, side: TextSide, tokenizer: Any, store: HeadStore | None = None) -> None:
        self.side = side
        self._tokenizer = tokenizer
        self._store = store
        self._heads: dict[tuple[Any, ...], Tensor] = {}
        self._text_key: tuple[Any, str | None] = (None, None)

    def __call__(self, names: ClassNames) -> Tensor:
        """The head ``(classes, dim)`` of a task, float32 on the device of the text tower."""
        version = self.side.version()
        key = (version, names.classnames, names.templates)
        if key not in self._heads:
            self._heads = {known: head for known, head in self._heads.items() if known[0] == version}
            self._heads[key] = self._recall(version, names)
        return self._heads[key]

    def _recall(self, version: Any, names: ClassNames) -> Tensor:
        """The head from the store, else computed and put there."""
        if self._store is None:
            return self._compute(names)
        if self._text_key[0] != version:
            self._text_key = version, text_fingerprint(self.side, self._tokenizer)
        text = self._text_key[1]
        if text is None:
            return self._compute(names)
        key = digest(text, names.classnames, names.templates)
        shape = (len(names.classnames), self.side.text_projection.weight.shape[0])
        head = self._store.load(key, shape)
        if head is None:
            head = self._compute(names)
            self._store.save(key, head)
        return head.to(self.side.text_projection.weight.device)

    def _compute(self, names: ClassNames) -> Tensor:
        training = [module for module in self.side.text_model.modules() if module.training]
        try:
            self.side.text_model.eval()
            with FastLinear({}):
                return zero_shot_head(self.side, self._tokenizer, names.classnames, names.templates)
        finally:
            for module in training:
                module.training = True


def check_backbone(tower: nn.Module, side: TextSide) -> None:
    """Check that a tower is of the backbone whose text side the heads come from, as far as the tower says.

    Raises:
        ValueError: naming both and the first of hidden size, patch size and image size that differs.
    """
    config = getattr(tower, "config", None)
    for field in SAME_BACKBONE:
        ours, expected = getattr(config, field, None), getattr(side.vision_config, field)
        if ours is not None and ours != expected:
            raise ValueError(
                f"the model is of another backbone than the task pool's CLIP model: its vision tower "
                f"({type(tower).__name__}) has {field} {ours}, that of {side.origin} has {expected}; set base_model of "
                "the task pool to the CLIP model that the tower was fine-tuned from"
            )
