"""Zero-shot classification with CLIP (Radford et al., 2021): a head from class names and prompts, and its logits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, normalize


def fill_templates(class_name: str, templates: Sequence[str]) -> list[str]:
    """The prompts of one class: its name in place of ``{}`` in each template.

    Raises:
        ValueError: if there is no template, or one has no ``{}`` or a second, named or numbered placeholder.
    """
    if not templates:
        raise ValueError("a zero-shot head needs at least one prompt template, such as 'a photo of a {}.'")
    for template in templates:
        if template.count("{}") != 1 or template.replace("{}", "").count("{"):
            raise ValueError(f"a prompt template must hold '{{}}' once, for the class name; got {template!r}")
    return [template.format(class_name) for template in templates]


@torch.no_grad()
def text_embeddings(clip: Any, tokenizer: Any, texts: Sequence[str], *, batch_size: int = 256) -> Tensor:
    """L2-normalised embeddings of texts, float32 of shape ``(texts, dim)``, without autocast.

    Args:
        clip: a ``CLIPModel``, or anything with its ``text_model`` and ``text_projection``.
        tokenizer: its tokenizer; texts are padded to the longest of a batch and cut at the tower's length.
        texts: what to embed.
        batch_size: texts embedded at a time.
    """
    weight = clip.text_projection.weight
    length = clip.text_model.config.max_position_embeddings
    embeddings = []
    with torch.autocast(weight.device.type, enabled=False):
        for start in range(0, len(texts), batch_size):
            batch = list(texts[start : start + batch_size])
            tokens = tokenizer(batch, padding=True, truncation=True, max_length=length, return_tensors="pt")
            pooled = clip.text_model(
                input_ids=tokens["input_ids"].to(weight.device),
                attention_mask=tokens["attention_mask"].to(weight.device),
            ).pooler_output
            embeddings.append(normalize(clip.text_projection(pooled).float(), dim=-1))
    return torch.cat(embeddings)


def zero_shot_head(clip: Any, tokenizer: Any, class_names: Sequence[str], templates: Sequence[str]) -> Tensor:
    """One unit vector a class, float32 of shape ``(classes, dim)``: the normalised mean of its prompts' embeddings.

    Args:
        clip: a ``CLIPModel``, or anything with its ``text_model`` and ``text_projection``.
        tokenizer: its tokenizer.
        class_names: the classes, in the order of the labels.
        templates: prompts with ``{}`` where the class name goes.

    Raises:
        ValueError: if there is no class or no template, or a template has not exactly one ``{}``.
    """
    if not class_names:
        raise ValueError("a zero-shot head needs at least one class name")
    prompts = [prompt for name in class_names for prompt in fill_templates(name, templates)]
    embeddings = text_embeddings(clip, tokenizer, prompts)
    per_class = embeddings.view(len(class_names), len(templates), -1)
    return normalize(per_class.mean(dim=1), dim=-1)


def image_features(vision_model: nn.Module, visual_projection: Tensor, pixel_values: Tensor) -> Tensor:
    """L2-normalised embeddings of images, float32 of shape ``(images, dim)``.

    Args:
        vision_model: called with ``pixel_values``; its output has ``pooler_output`` of shape ``(images, hidden)``.
        visual_projection: weight of shape ``(dim, hidden)``.
        pixel_values: shape ``(images, channels, height, width)``, in the dtype of the model.

    Raises:
        ValueError: if the hidden sizes of tower and projection differ.
    """
    pooled = vision_model(pixel_values=pixel_values).pooler_output
    check_width(pooled.shape[-1], visual_projection)
    with torch.autocast(pooled.device.type, enabled=False):  # as the head: only the tower runs in low precision
        return normalize(linear(pooled.float(), visual_projection.float()), dim=-1)


def classify(features: Tensor, head: Tensor, logit_scale: Tensor) -> Tensor:
    """Logits ``exp(logit_scale) · features · headᵀ``, float32 of shape ``(images, classes)``."""
    with torch.autocast(features.device.type, enabled=False):
        return logit_scale.float().exp() * linear(features.float(), head.float())


@dataclass(frozen=True)
class ZeroShotClassifier:
    """The frozen rest of a CLIP model that makes a classifier of its vision tower, for one list of classes."""

    head: Tensor  # (classes, dim), unit vectors
    visual_projection: Tensor  # (dim, hidden)
    logit_scale: Tensor  # scalar, before the exponential

    def to(self, device: torch.device) -> ZeroShotClassifier:
        """The same on another device, without a graph."""
        tensors = (self.head, self.visual_projection, self.logit_scale)
        return ZeroShotClassifier(*(tensor.detach().to(device) for tensor in tensors))

    def logits(self, tower: nn.Module, pixel_values: Tensor) -> Tensor:
        """Logits ``(images, classes)``, float32; only the tower runs in the precision of an autocast around it."""
        return classify(image_features(tower, self.visual_projection, pixel_values), self.head, self.logit_scale)


def check_width(hidden_size: int, visual_projection: Tensor) -> None:
    """Check that a vision tower and the projection of a CLIP model fit together.

    Raises:
        ValueError: naming both sizes.
    """
    expected = visual_projection.shape[1]
    if hidden_size != expected:
        raise ValueError(
            f"the vision tower of the model has hidden size {hidden_size}, but the visual projection of the CLIP model "
            f"takes {expected}; use the CLIP model that the tower was fine-tuned from"
        )
