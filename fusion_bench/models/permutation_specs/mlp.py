"""The permutation spec of :class:`fusion_bench.models.mlp.MLP`: one group a hidden layer."""

from __future__ import annotations

from itertools import pairwise

from torch import nn

from fusion_bench.models.permutation_spec import Group, PermutationSpec, Tap, into, out, present


def spec_of(model: nn.Module) -> PermutationSpec:
    """One group a hidden layer: the rows and biases that make its units, the columns that read them."""
    params = model.state_dict()
    layers = [name for name, layer in model.named_modules() if isinstance(layer, nn.Linear)]
    groups = {}
    for layer, following in pairwise(layers):
        made = present(out(f"{layer}.weight", f"{layer}.bias"), params)
        taps = (Tap(module=following, dim=-1),)
        groups[layer] = Group(members=(*made, *into(f"{following}.weight")), taps=taps)
    return PermutationSpec(groups=groups, untouched=(f"{layers[-1]}.*",))
