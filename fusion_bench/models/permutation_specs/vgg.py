"""The permutation spec of :class:`fusion_bench.models.vgg.VGG`: one group a convolution and a hidden linear layer."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from torch import Tensor, nn

from fusion_bench.functional.permutation import Member
from fusion_bench.models.permutation_spec import Group, PermutationSpec, Tap, into, norm, out, present


def spec_of(model: nn.Module) -> PermutationSpec:
    """One group a layer; the first linear layer reads each channel of the last map at all of its positions."""
    params = model.state_dict()
    layers = [(name, layer) for name, layer in model.named_modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    last_map = [name for name, _ in model.named_modules() if name.startswith("features.")][-1]
    groups = {}
    for (name, layer), (following, reader) in pairwise(layers):
        expand, tap = 1, Tap(module=following)
        if isinstance(layer, nn.Conv2d) and isinstance(reader, nn.Linear):
            expand = reader.in_features // layer.out_channels
            tap = Tap(module=last_map, side="out")
        members = (*_made(name, params), *into(f"{following}.weight", expand=expand))
        groups[name] = Group(members=members, taps=(tap,))
    return PermutationSpec(groups=groups, untouched=(f"{layers[-1][0]}.*",))


def _made(name: str, params: Mapping[str, Tensor]) -> list[Member]:
    """The tensors of a layer, and of the batch normalisation right behind it."""
    made = present(out(f"{name}.weight", f"{name}.bias"), params)
    stem, _, number = name.rpartition(".")
    behind = f"{stem}.{int(number) + 1}"
    return made + (norm(behind, params) if f"{behind}.running_mean" in params else [])
