"""The vision tower of CLIP: its names, and how a module is built around given tensors.

Canonical names are those of the tower itself, ``embeddings.class_embedding`` or ``encoder.layers.0.mlp.fc1.weight``,
whatever prefix a checkpoint or a version of transformers puts before them.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from fusion_bench.functional.params import LazyParams, Params
from fusion_bench.models.layers import linear_weight_names
from fusion_bench.models.mapped import MappedTensors

PREFIX = "vision_model."


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

    def stored(self, params: Params) -> LazyParams:
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
        lazy = params if isinstance(params, LazyParams) else LazyParams(params, params.__getitem__, like=params)
        return lazy.renamed(canonical)

    def build(self, params: Params, *, copies: bool = True) -> nn.Module:
        """A ``CLIPVisionModel`` in eval mode that holds ``params``, given under canonical names.

        Args:
            params: the tensors.
            copies: hold copies of them; else themselves, which must be nobody else's to write to.

        Raises:
            ValueError: if a name is missing or unknown, or a shape is wrong.
        """
        state = {name: _copy(tensor) if copies else tensor for name, tensor in self.stored(params).items()}
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


def vision_tower(model: nn.Module) -> nn.Module:
    """The vision tower of a CLIP model or of one with projection; any other module as it is."""
    from transformers import CLIPModel, CLIPVisionModelWithProjection

    if isinstance(model, CLIPModel | CLIPVisionModelWithProjection):
        return model.vision_model  # type: ignore[no-any-return]
    return model


def float_dtype(model: nn.Module) -> torch.dtype:
    """The dtype of the model's first floating-point parameter; float32 if it has none."""
    return next((tensor.dtype for tensor in model.parameters() if tensor.is_floating_point()), torch.float32)


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
