"""The vision tower of CLIP: its names, its configuration, and how a module is built around given tensors.

Canonical names are those of the tower itself, ``embeddings.class_embedding`` or ``encoder.layers.0.mlp.fc1.weight``,
whatever prefix a checkpoint or a version of transformers puts before them.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from fusion_bench.functional.params import LazyParams, Params
from fusion_bench.models.layers import linear_weight_names
from fusion_bench.models.mapped import MappedTensors
from fusion_bench.utils.files import read_json

PREFIX = "vision_model."
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


@dataclass(frozen=True)
class VisionArchitecture:
    """A CLIP vision tower without its weights; ``config`` is a ``transformers.CLIPVisionConfig``."""

    config: Any

    @cached_property
    def skeleton(self) -> nn.Module:
        """The module on the meta device: names and shapes, no memory."""
        from transformers import CLIPVisionModel

        with torch.device("meta"):
            module: nn.Module = CLIPVisionModel(copy.deepcopy(self.config))
        return module

    @cached_property
    def module_names(self) -> dict[str, str]:
        """Canonical name to the name in the state dict of this version's ``CLIPVisionModel``, in model order."""
        return {name.removeprefix(PREFIX): name for name in self.skeleton.state_dict()}

    @property
    def linear_weight_names(self) -> tuple[str, ...]:
        """Canonical names of the weights of ``nn.Linear`` modules."""
        return tuple(name.removeprefix(PREFIX) for name in linear_weight_names(self.skeleton))

    def select(self, params: Params, owner: str) -> Params:
        """The tensors of the tower in a checkpoint of any layout, under canonical names in model order.

        Of a whole CLIP model only the vision tower is taken. Integer buffers that this architecture does not hold,
        such as ``embeddings.position_ids`` of older checkpoints, are left out.

        Args:
            params: tensors as stored.
            owner: whose tensors they are, as the start of an error message: ``"model 'mnist'"``.

        Raises:
            ValueError: naming a tensor of the architecture that is missing, or a tensor that it does not have.
        """
        stored = tower_names(params)
        for name in self.module_names:
            if name not in stored:
                raise ValueError(f"{owner} lacks the tensor {name!r} of a CLIP vision tower; it has {_some(params)}")
        for name in stored:
            if name not in self.module_names and params[stored[name]].is_floating_point():
                raise ValueError(f"{owner} has a tensor {name!r}, which its architecture of CLIP vision tower lacks")
        chosen = {name: stored[name] for name in self.module_names}
        if isinstance(params, MappedTensors):
            return params.renamed(chosen)
        return {name: params[key] for name, key in chosen.items()}

    def stored(self, params: Params) -> Params:
        """``params``, given under canonical names, under those of this version's ``CLIPVisionModel``.

        Raises:
            ValueError: if a name is missing or unknown.
        """
        missing = [name for name in self.module_names if name not in params]
        unknown = [name for name in params if name not in self.module_names]
        if missing or unknown:
            raise ValueError(
                f"the tensors do not fit the CLIP vision tower: missing {_some(missing)}, unknown {_some(unknown)}"
            )
        canonical = {stored: name for name, stored in self.module_names.items()}
        return LazyParams(canonical, lambda stored: params[canonical[stored]])

    def build(self, params: Params) -> nn.Module:
        """A ``CLIPVisionModel`` in eval mode that holds copies of ``params``, given under canonical names.

        Raises:
            ValueError: if a name is missing or unknown, or a shape is wrong.
        """
        state = {name: _copy(tensor) for name, tensor in self.stored(params).items()}
        model = copy.deepcopy(self.skeleton)
        try:
            model.load_state_dict(state, strict=True, assign=True)
        except RuntimeError as error:
            raise ValueError(f"the tensors do not fit the CLIP vision tower: {error}") from error
        _fill_position_ids(model)
        model.config = self.config_for(state)
        return model.eval()

    def config_for(self, params: Params) -> Any:
        """A copy of the configuration that names the class and the dtype of ``params``."""
        config = copy.deepcopy(self.config)
        config.architectures = ["CLIPVisionModel"]
        config.dtype = next((tensor.dtype for tensor in params.values() if tensor.is_floating_point()), torch.float32)
        return config


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


def tower_names(stored: Iterable[str]) -> dict[str, str]:
    """Canonical name to stored name, for the vision tower among ``stored``.

    If some names start with ``vision_model.``, those are the tower; otherwise all of them are.
    """
    names = list(stored)
    prefixed = {name.removeprefix(PREFIX): name for name in names if name.startswith(PREFIX)}
    return prefixed or {name: name for name in names}


def _copy(tensor: Tensor) -> Tensor:
    return tensor.detach().clone(memory_format=torch.contiguous_format)


def _fill_position_ids(model: nn.Module) -> None:
    """Give the only buffer that no checkpoint holds its values: 0 … positions - 1, shape ``(1, positions)``."""
    device = next(model.parameters()).device
    for name, buffer in list(model.named_buffers()):
        if buffer.is_meta:
            owner, _, last = name.rpartition(".")
            if last != "position_ids":
                raise AssertionError(f"the buffer {name!r} is neither saved nor known")
            model.get_submodule(owner).position_ids = torch.arange(buffer.shape[-1], device=device).unsqueeze(0)


def _some(names: Iterable[str], shown: int = 3) -> str:
    listed = list(names)
    if not listed:
        return "none"
    more = f" and {len(listed) - shown} more" if len(listed) > shown else ""
    return ", ".join(repr(name) for name in listed[:shown]) + more
