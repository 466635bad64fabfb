"""Permutation specs of transformer layers with separate projections, from the names of their modules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from fusion_bench.functional.permutation import Member
from fusion_bench.models.permutation_spec import Group, Tap, into, norm, out, present


@dataclass(frozen=True)
class Layer:
    """A pre-norm transformer layer by the names of its modules."""

    query: str
    key: str
    value: str
    output: str
    first_norm: str
    second_norm: str
    fc1: str
    fc2: str

    @property
    def readers(self) -> tuple[str, ...]:
        """The linear layers that read the residual stream."""
        return (self.query, self.key, self.value, self.fc1)

    @property
    def writers(self) -> tuple[str, ...]:
        """The linear layers that add to the residual stream."""
        return (self.output, self.fc2)


def layer_groups(number: int, layer: Layer, heads: int, params: Mapping[str, Tensor]) -> dict[str, Group]:
    """The groups inside a layer: ``qk``, ``vo``, whose heads move together, and ``mlp``."""
    tie = f"heads.{number}"
    query_key = (*made(layer.query, params), *made(layer.key, params))
    value = (*made(layer.value, params), *into(f"{layer.output}.weight"))
    hidden = (*made(layer.fc1, params), *into(f"{layer.fc2}.weight"))
    query_key_taps = tuple(Tap(module=name, side="out", dim=-1) for name in (layer.query, layer.key))
    return {
        f"qk.{number}": Group(members=query_key, blocks=heads, tie=tie, taps=query_key_taps),
        f"vo.{number}": Group(members=value, blocks=heads, tie=tie, taps=(Tap(module=layer.output, dim=-1),)),
        f"mlp.{number}": Group(members=hidden, taps=(Tap(module=layer.fc2, dim=-1),)),
    }


def stream_members(layer: Layer, params: Mapping[str, Tensor]) -> list[Member]:
    """Where the residual stream lies in a layer."""
    members = norm(layer.first_norm, params) + norm(layer.second_norm, params)
    members += into(*(f"{name}.weight" for name in layer.readers))
    for name in layer.writers:
        members += made(name, params)
    return members


def stream_taps(layers: list[Layer], last_norm: str) -> tuple[Tap, ...]:
    """The residual stream as every norm reads it, at all tokens."""
    names = [name for layer in layers for name in (layer.first_norm, layer.second_norm)]
    return tuple(Tap(module=name, dim=-1) for name in (*names, last_norm))


def made(name: str, params: Mapping[str, Tensor]) -> list[Member]:
    """The weight and, where there is one, the bias of a linear layer that makes units."""
    return present(out(f"{name}.weight", f"{name}.bias"), params)
