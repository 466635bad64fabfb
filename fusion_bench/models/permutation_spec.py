"""Which axes of which tensors hold the same units of a network: a permutation spec, as data.

A permutation of the units of a group, applied to all its members, leaves the function of the network as it is. A spec
says so for every group, and lists the tensors that no group touches, so that nothing is forgotten.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

from torch import Tensor

from fusion_bench.functional.params import Params
from fusion_bench.functional.permutation import Member


@dataclass(frozen=True, kw_only=True)
class Tap:
    """Where activations of the units of a group are read.

    Args:
        module: name of a submodule.
        side: ``in`` for its first input, ``out`` for its output.
        dim: the dimension of the units; two if a unit is a pair of indices, such as (head, channel in the head).
        start: first index of the units along ``dim``.
        stop: index after the last; None is the end.
    """

    module: str
    side: str = "in"
    dim: int | tuple[int, int] = 1
    start: int = 0
    stop: int | None = None

    def __post_init__(self) -> None:
        if self.side not in ("in", "out"):
            raise ValueError(f"the side of the tap at {self.module!r} must be 'in' or 'out', got {self.side!r}")


@dataclass(frozen=True, kw_only=True)
class Group:
    """Units that are permuted together.

    Args:
        members: where they lie.
        blocks: units fall into this many equal runs that stay whole, such as attention heads.
        tie: groups of the same name here move their blocks together.
        taps: where their activations are read.
        published_taps: where the published code reads them; empty where it is the same.
        residual: the units run along a residual stream, which many layers share.
    """

    members: tuple[Member, ...]
    blocks: int = 1
    tie: str | None = None
    residual: bool = False
    taps: tuple[Tap, ...] = ()
    published_taps: tuple[Tap, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Output:
    """An output of the network that comes out in the order of a group's units.

    Args:
        group: name of the group.
        name: the field of a structured output, or the number of one of several; "" is the output itself.
        dim: the dimension of the units.
    """

    group: str
    name: str = ""
    dim: int = -1


@dataclass(frozen=True, kw_only=True)
class PermutationSpec:
    """All groups of an architecture.

    Args:
        groups: by name.
        untouched: names, or patterns such as ``*.position_ids``, of the tensors without units.
        outputs: outputs whose order follows a group; none for a network that ends in a head.
    """

    groups: Mapping[str, Group] = field(default_factory=dict)
    untouched: tuple[str, ...] = ()
    outputs: tuple[Output, ...] = ()

    def placed(self) -> dict[str, list[tuple[str, Member]]]:
        """For each tensor, the groups that lie in it and where."""
        found: dict[str, list[tuple[str, Member]]] = {}
        for name, group in self.groups.items():
            for member in group.members:
                found.setdefault(member.param, []).append((name, member))
        return found

    def sizes(self, shapes: Mapping[str, Sequence[int]]) -> dict[str, int]:
        """How many units each group has."""
        return {
            name: int(group.members[0].extent(shapes[group.members[0].param])) for name, group in self.groups.items()
        }

    def ties(self) -> list[tuple[str, ...]]:
        """The groups by name, those together whose blocks move together, in the order of the spec."""
        together: dict[str, list[str]] = {}
        for name, group in self.groups.items():
            together.setdefault(f"tie {group.tie}" if group.tie is not None else f"group {name}", []).append(name)
        return [tuple(names) for names in together.values()]

    def without_residual(self) -> PermutationSpec:
        """The spec that leaves residual streams in their order; tensors in no other group become untouched."""
        groups = {name: group for name, group in self.groups.items() if not group.residual}
        kept = {member.param for group in groups.values() for member in group.members}
        freed = dict.fromkeys(name for name in self.placed() if name not in kept)
        outputs = tuple(output for output in self.outputs if output.group in groups)
        return replace(self, groups=groups, untouched=(*self.untouched, *freed), outputs=outputs)

    def as_published(self) -> PermutationSpec:
        """The spec with which the published code works: no ties, and its own taps."""
        groups = {
            name: replace(group, tie=None, taps=group.published_taps or group.taps)
            for name, group in self.groups.items()
        }
        return replace(self, groups=groups)

    def check(self, params: Params) -> None:
        """Check that the spec fits a model: every tensor is there, of the right size, and none is forgotten.

        Raises:
            ValueError: naming the tensors and what is wrong with them.
        """
        for name, group in self.groups.items():
            if not group.members:
                raise ValueError(f"the group {name!r} has no members")
            missing = [member.param for member in group.members if member.param not in params]
            if missing:
                raise ValueError(f"the group {name!r} names tensors that the model lacks: {missing}")
            _check_sizes(name, group, params)
        for tie in self.ties():
            blocks = {name: self.groups[name].blocks for name in tie}
            if len(set(blocks.values())) > 1:
                raise ValueError(f"groups that are tied must have the same number of blocks; they have {blocks}")
        for output in self.outputs:
            if output.group not in self.groups:
                raise ValueError(f"an output follows the group {output.group!r}; the groups are {list(self.groups)}")
        missed = self.missed(params)
        if missed:
            raise ValueError(
                f"the spec says nothing of the tensors {missed}; give each a group, or list it as untouched"
            )

    def missed(self, params: Params) -> list[str]:
        """The floating-point tensors that are in no group and not listed as untouched."""
        placed = self.placed()
        return [
            name
            for name, tensor in params.items()
            if tensor.is_floating_point()
            and name not in placed
            and not any(fnmatchcase(name, pattern) for pattern in self.untouched)
        ]


def _check_sizes(name: str, group: Group, params: Params) -> None:
    sizes = {}
    for member in group.members:
        shape = tuple(params[member.param].shape)
        if not -len(shape) <= member.axis < len(shape):
            raise ValueError(f"the group {name!r} uses axis {member.axis} of {member.param!r}, whose shape is {shape}")
        sizes[f"{member.param} axis {member.axis}"] = member.extent(shape)
    if len(set(sizes.values())) > 1:
        raise ValueError(f"the members of the group {name!r} differ in their number of units: {sizes}")
    units = next(iter(sizes.values()))
    if units < 1 or units % 1 or units % group.blocks:
        raise ValueError(f"the group {name!r} has {units:g} units, which do not fall into {group.blocks} equal blocks")


def out(*params: str, axis: int = 0, start: int = 0, stop: int | None = None) -> list[Member]:
    """Members that make units along ``axis``."""
    return [Member(param, axis, "out", start, stop) for param in params]


def into(*params: str, axis: int = 1, expand: int = 1) -> list[Member]:
    """Members that read units along ``axis``."""
    return [Member(param, axis, "in", expand=expand) for param in params]


def norm(prefix: str, params: Mapping[str, Tensor]) -> list[Member]:
    """The vectors of a normalisation layer, those that it has: scale, shift, and running statistics."""
    made = [f"{prefix}.{name}" for name in ("weight", "bias")]
    kept = [f"{prefix}.{name}" for name in ("running_mean", "running_var")]
    members = [Member(name, 0) for name in made] + [Member(name, 0, "stat") for name in kept]
    return [member for member in members if member.param in params]


def present(members: Sequence[Member], params: Mapping[str, Tensor]) -> list[Member]:
    """Those members whose tensors the model has, such as a bias that may be absent."""
    return [member for member in members if member.param in params]
