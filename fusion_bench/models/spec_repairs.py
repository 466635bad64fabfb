"""Specs that differ from a wrong one by one change, to find which change would make it right."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import comb

from torch import Tensor

from fusion_bench.functional.params import Params
from fusion_bench.functional.permutation import Member
from fusion_bench.models.permutation_spec import Group, Output, PermutationSpec

_MOST_TRIES = 300  # ways to choose several missing tensors that are tried


@dataclass(frozen=True)
class Repair:
    """A changed spec, the groups to permute to see whether it is right, and what was changed."""

    spec: PermutationSpec
    groups: Sequence[str]
    text: str


def repairs(
    spec: PermutationSpec, tied: Sequence[str], params: Params, outputs: Mapping[str, Tensor]
) -> Iterator[Repair]:
    """Single changes to groups that are tied, and additions of a few tensors to one group."""
    sizes = spec.sizes({name: tensor.shape for name, tensor in params.items()})
    for name in tied:
        group, size = spec.groups[name], sizes[name]
        candidates = _free(spec, size, params)
        for member in candidates:
            yield _changed(spec, tied, name, _with(group, member), f"{_where(member)} is missing")
        for output, values in outputs.items():
            for dim in (dim for dim in range(values.dim()) if values.shape[dim] == size):
                text = f"the output {output or 'of the model'!r} follows it along dimension {dim}"
                followed = (*spec.outputs, Output(group=name, name=output, dim=dim))
                yield Repair(replace(spec, outputs=followed), tied, text)
        for member in group.members:
            rest = replace(group, members=tuple(one for one in group.members if one != member))
            if rest.members:
                freed = replace(spec, untouched=(*spec.untouched, member.param))
                yield _changed(freed, tied, name, rest, f"{_where(member)} does not belong to it")
        for blocks in (blocks for blocks in range(2, size) if size % blocks == 0 and blocks != group.blocks):
            yield _changed(spec, tied, name, replace(group, blocks=blocks), f"it has blocks: {blocks}")
        for number in (count for count in (2, 3, 4) if comb(len(candidates), count) <= _MOST_TRIES):
            for several in combinations(candidates, number):
                text = f"{' and '.join(_where(member) for member in several)} are missing"
                yield _changed(spec, tied, name, _with(group, *several), text)
    yield from _ties(spec, tied)


def _ties(spec: PermutationSpec, tied: Sequence[str]) -> Iterator[Repair]:
    """The groups tied with one more that has as many blocks."""
    blocks = spec.groups[tied[0]].blocks
    for other, group in spec.groups.items():
        if blocks > 1 and group.blocks == blocks and other not in tied:
            together = (*tied, other)
            groups = {
                name: replace(one, tie="together") if name in together else one for name, one in spec.groups.items()
            }
            yield Repair(replace(spec, groups=groups), together, f"it must be tied to the group {other!r}")


def _free(spec: PermutationSpec, size: int, params: Params) -> list[Member]:
    """Axes of all tensors that have that many indices and are in no group."""
    members = [member for group in spec.groups.values() for member in group.members]
    held = {(member.param, member.axis % params[member.param].dim()) for member in members}
    return [
        Member(name, axis)
        for name, tensor in params.items()
        if tensor.is_floating_point()
        for axis in range(tensor.dim())
        if tensor.shape[axis] == size and (name, axis) not in held
    ]


def _with(group: Group, *members: Member) -> Group:
    return replace(group, members=(*group.members, *members))


def _changed(spec: PermutationSpec, tied: Sequence[str], name: str, group: Group, text: str) -> Repair:
    return Repair(replace(spec, groups={**spec.groups, name: group}), tied, text)


def _where(member: Member) -> str:
    return f"axis {member.axis} of {member.param!r}"
