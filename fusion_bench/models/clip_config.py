"""Configurations of CLIP vision towers: read, taken from modules, compared."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from fusion_bench.utils.files import read_json

# What must agree for two towers to compute the same function of their tensors.
COMPARED_FIELDS = (
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_channels",
    "image_size",
    "patch_size",
    "hidden_act",
    "layer_norm_eps",
)


def read_vision_config(directory: Path, owner: str) -> Any:
    """The ``CLIPVisionConfig`` in ``config.json`` of a vision tower or of a whole CLIP model.

    Raises:
        FileNotFoundError: if there is no ``config.json``.
        ValueError: if it is not that of a CLIP model.
    """
    from transformers import CLIPVisionConfig

    content = read_config(directory, owner)
    vision = content.get("vision_config") if content.get("model_type") == "clip" else content
    if not isinstance(vision, Mapping) or vision.get("model_type") not in ("clip_vision_model", None):
        raise ValueError(
            f"{owner}: {directory / 'config.json'} describes a {content.get('model_type')!r}, "
            "expected 'clip_vision_model' or 'clip'"
        )
    return CLIPVisionConfig.from_dict(dict(vision))


def read_config(directory: Path, owner: str) -> dict[str, Any]:
    """The content of ``config.json``.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not a JSON object.
    """
    path = directory / "config.json"
    if not path.is_file():
        raise FileNotFoundError(f"{owner}: {path} does not exist; a model directory needs one")
    content = read_json(path)
    if not isinstance(content, dict):
        raise ValueError(f"{owner}: {path} holds a {type(content).__name__}, expected a JSON object")
    return content


def vision_config_of(module: nn.Module, owner: str) -> Any:
    """The ``CLIPVisionConfig`` of a live module that is, or has, a CLIP vision tower.

    Raises:
        TypeError: if it is neither.
    """
    from transformers import CLIPVisionConfig

    config = getattr(module, "config", None)
    config = getattr(config, "vision_config", config)
    if not isinstance(config, CLIPVisionConfig):
        raise TypeError(f"{owner} is a {type(module).__name__}, expected a CLIPVisionModel or a CLIPModel")
    return config


def compare_configs(owner: str, config: Any, reference_name: str, reference: Any) -> None:
    """Check that two towers have the same architecture.

    Raises:
        ValueError: naming the model and the first field that differs.
    """
    field = different_field(config, reference)
    if field is not None:
        ours, expected = getattr(config, field), getattr(reference, field)
        raise ValueError(f"{owner}: {field} is {ours!r}, expected {expected!r} as in {reference_name!r}")


def different_field(config: Any, reference: Any) -> str | None:
    """The first field that tells two architectures apart; None if they are the same."""
    return next((field for field in COMPARED_FIELDS if getattr(config, field) != getattr(reference, field)), None)
