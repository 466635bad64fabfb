"""Permutation specs of residual convolutional networks, from the names of their layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn

from fusion_bench.functional.permutation import Member
from fusion_bench.models.permutation_spec import Group, PermutationSpec, Tap, into, norm, out, present


@dataclass(frozen=True)
class Block:
    """A residual block by the names of its layers: convolutions, the norm after each, and those of the shortcut."""

    convolutions: Sequence[str]
    norms: Sequence[str]
    shortcut: tuple[str, str] | None = None  # convolution and norm; None where the input is added as it is


def residual_cnn(
    model: nn.Module, *, stem: tuple[str, str], blocks: Sequence[Block], pool: str, head: str
) -> PermutationSpec:
    """A group a convolution inside a block, and one a run of blocks that add to the same residual stream.

    A stream begins at the stem and at every convolution in a shortcut. Units of group normalisations stay in blocks.

    Args:
        model: gives the tensors, and how many groups its normalisations have.
        stem: convolution and norm before the first block.
        blocks: the blocks in order.
        pool: the module that reads the last stream.
        head: the linear layer behind it.
    """
    params = model.state_dict()

    def made(convolution: str, normalisation: str) -> list[Member]:
        weights = present(out(f"{convolution}.weight", f"{convolution}.bias"), params)
        return weights + norm(normalisation, params)

    groups: dict[str, Group] = {}
    stream = _Stream("res.0", made(*stem), [stem[1]])
    groups[stream.name] = Group(members=())
    for block in blocks:
        stream.read_by(block.convolutions[0], tap=True)
        for first, normalisation, second in zip(block.convolutions, block.norms, block.convolutions[1:], strict=False):
            members = (*made(first, normalisation), *into(f"{second}.weight"))
            taps = (Tap(module=second),)
            groups[first] = Group(members=members, blocks=norm_blocks(model, [normalisation]), taps=taps)
        if block.shortcut is not None:
            stream.read_by(block.shortcut[0], tap=False)
            groups[stream.name] = stream.group(model)
            stream = _Stream(f"res.{stream.number + 1}", made(*block.shortcut), [block.shortcut[1]])
            groups[stream.name] = Group(members=())
        stream.members += made(block.convolutions[-1], block.norms[-1])
        stream.norms.append(block.norms[-1])
    stream.members += into(f"{head}.weight")
    stream.taps.append(Tap(module=pool))
    stream.last = Tap(module=pool)
    groups[stream.name] = stream.group(model)
    return PermutationSpec(groups=groups, untouched=(f"{head}.bias",))


@dataclass
class _Stream:
    """A residual stream while its members are collected."""

    name: str
    members: list[Member]
    norms: list[str]

    def __post_init__(self) -> None:
        self.number = int(self.name.rpartition(".")[2])
        self.taps: list[Tap] = []
        self.last: Tap | None = None

    def read_by(self, convolution: str, *, tap: bool) -> None:
        """A convolution reads the stream; ``tap`` if its input is not tapped elsewhere."""
        self.members += into(f"{convolution}.weight")
        self.last = Tap(module=convolution)
        if tap:
            self.taps.append(self.last)

    def group(self, model: nn.Module) -> Group:
        """The group of all members."""
        return Group(
            members=tuple(self.members),
            blocks=norm_blocks(model, self.norms),
            taps=tuple(self.taps),
            published_taps=() if self.last is None else (self.last,),
            residual=True,
        )


def norm_blocks(model: nn.Module, norms: Sequence[str]) -> int:
    """How many groups the group normalisations among ``norms`` have; 1 where there is none.

    Raises:
        ValueError: if they differ, so that no permutation leaves all of them as they are.
    """
    layers = [model.get_submodule(name) for name in norms]
    found = {layer.num_groups for layer in layers if isinstance(layer, nn.GroupNorm)}
    if len(found) > 1:
        raise ValueError(f"the group normalisations {list(norms)} share units but have {sorted(found)} groups")
    return found.pop() if found else 1
