"""Permutations of the units of a network that follow a spec: random ones, and networks permuted by them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from fusion_bench.functional.params import Params
from fusion_bench.functional.permutation import permute_units
from fusion_bench.models.permutation_spec import PermutationSpec

Permutations = Mapping[str, Tensor]
"""For each group which unit comes to place 0, 1, …"""


def random_permutations(
    spec: PermutationSpec,
    params: Params,
    generator: torch.Generator,
    *,
    groups: Iterable[str] | None = None,
) -> dict[str, Tensor]:
    """A random permutation of each group, not the identity, that keeps blocks whole and moves tied ones together.

    Args:
        spec: the groups.
        params: tensors of the model, for the sizes.
        generator: the source of randomness.
        groups: only these; the others are left out.
    """
    chosen = list(spec.groups) if groups is None else list(groups)
    sizes = spec.sizes({name: tensor.shape for name, tensor in params.items()})
    permutations = {}
    for tied in spec.ties():
        blocks = spec.groups[tied[0]].blocks
        order = _shuffled(blocks, generator)
        for name in tied:
            size = sizes[name] // blocks
            inner = torch.stack([_shuffled(size, generator) for _ in range(blocks)])
            if name in chosen:
                permutations[name] = (order.unsqueeze(1) * size + inner).flatten()
    return permutations


def _shuffled(count: int, generator: torch.Generator) -> Tensor:
    """0 … count - 1 in a random order that is not this one, where there is another."""
    order = torch.randperm(count, generator=generator)
    return order.roll(1) if torch.equal(order, torch.arange(count)) else order


def permuted_params(params: Params, spec: PermutationSpec, permutations: Permutations) -> dict[str, Tensor]:
    """The tensors with the units of the given groups in another order; the others as they are."""
    result = dict(params)
    for name, permutation in permutations.items():
        for member in spec.groups[name].members:
            result[member.param] = permute_units(result[member.param], member, permutation)
    return result


def permuted_outputs(
    outputs: Mapping[str, Tensor], spec: PermutationSpec, permutations: Permutations
) -> dict[str, Tensor]:
    """The outputs that the permuted network has: those of the network, in the order of the groups they follow."""
    result = dict(outputs)
    for output in spec.outputs:
        if output.group in permutations and output.name in result:
            order = permutations[output.group].to(result[output.name].device)
            result[output.name] = result[output.name].index_select(output.dim, order)
    return result


def outputs_of(model: nn.Module, params: Params, inputs: Any) -> dict[str, Tensor]:
    """What ``model`` with other tensors says to ``inputs``, by name of the output; "" if there is but one."""
    with torch.no_grad():
        outputs = torch.func.functional_call(model, dict(params), (inputs,))
    if isinstance(outputs, Tensor):
        return {"": outputs}
    entries = outputs.items() if isinstance(outputs, Mapping) else enumerate(outputs)
    return {str(name): value for name, value in entries if isinstance(value, Tensor)}
