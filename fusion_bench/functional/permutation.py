"""Units of several models put into common merged units: permutations, clusters, and the tensors they act on.

A unit is one index along every axis that a group of a permutation spec ties together: an output channel, a hidden
neuron or a residual feature. Ainsworth et al., "Git Re-Basin", ICLR 2023, arXiv 2209.04836; Stoica et al., "ZipIt!",
ICLR 2024, arXiv 2305.03053.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

ROLES = ("out", "in", "stat")


@dataclass(frozen=True)
class Member:
    """Where the units of a group lie in one tensor.

    Args:
        param: name of the tensor.
        axis: the axis along which the units lie.
        role: ``out`` if the tensor makes the units, ``in`` if it reads them, ``stat`` for running statistics of them,
            which are merged like ``out`` but never compared.
        start: first index along the axis.
        stop: index after the last; None is the end of the axis.
        expand: how many consecutive indices belong to one unit.
    """

    param: str
    axis: int
    role: str = "out"
    start: int = 0
    stop: int | None = None
    expand: int = 1

    def __post_init__(self) -> None:
        if self.role not in ROLES:
            raise ValueError(f"the role of {self.param!r} must be one of {', '.join(ROLES)}; got {self.role!r}")
        if self.expand < 1:
            raise ValueError(f"expand of {self.param!r} must be at least 1, got {self.expand}")

    def extent(self, shape: Sequence[int]) -> float:
        """How many units lie in a tensor of that shape; not a whole number if they do not fit."""
        stop = shape[self.axis] if self.stop is None else self.stop
        return (stop - self.start) / self.expand

    def slice_of(self, tensor: Tensor) -> Tensor:
        """The part of ``tensor`` that holds units, as a view."""
        stop = tensor.shape[self.axis] if self.stop is None else self.stop
        return tensor.narrow(self.axis, self.start, stop - self.start)


@dataclass(frozen=True, eq=False)
class Matching:
    """Which merged unit each unit of each model belongs to.

    Args:
        clusters: int64 of shape ``(models, units)``, entries in [0, units); every merged unit has a member.
    """

    clusters: Tensor

    @classmethod
    def identity(cls, models: int, units: int) -> Matching:
        """Every unit belongs to the merged unit of its own number."""
        return cls(torch.arange(units).expand(models, units).contiguous())

    @classmethod
    def from_permutations(cls, permutations: Sequence[Tensor]) -> Matching:
        """From one permutation a model, each saying which of its units goes to merged unit 0, 1, …"""
        return cls(torch.stack([permutation.argsort() for permutation in permutations]))

    @property
    def units(self) -> int:
        """How many units a model, and the merged model, has."""
        return self.clusters.shape[1]

    @property
    def is_permutation(self) -> bool:
        """Whether every merged unit has exactly one unit of every model."""
        return bool((self.clusters.sort(dim=1).values == torch.arange(self.units)).all())

    def permutation(self, model: int) -> Tensor:
        """The unit of ``model`` in each merged unit: ``aligned = tensor.index_select(axis, permutation)``.

        Raises:
            ValueError: if the units are clustered, not permuted.
        """
        if not self.is_permutation:
            raise ValueError("the matching clusters units; only a matching with one unit a model has permutations")
        return self.clusters[model].argsort()

    def same_as(self, other: Matching) -> bool:
        """Whether both put the same units together in the same order."""
        return torch.equal(self.clusters, other.clusters)

    def mass(self, weights: Sequence[float] | None = None) -> Tensor:
        """The sum of the weights of the members of each merged unit, float64 of shape ``(units,)``.

        Args:
            weights: one number a model; by default each has 1.
        """
        models = len(self.clusters)
        values = torch.tensor([1.0] * models if weights is None else list(weights), dtype=torch.float64)
        mass = torch.zeros(self.units, dtype=torch.float64)
        return mass.index_add_(0, self.clusters.flatten(), values.repeat_interleave(self.units))

    def unmerge(self) -> Tensor:
        """U of the papers: 0 or 1, shape ``(models · units, units)``, the units of model 0 first."""
        return torch.nn.functional.one_hot(self.clusters.flatten(), self.units).double()


def map_units(tensor: Tensor, member: Member, clusters: Tensor, scale: Tensor | None = None) -> Tensor:
    """``tensor`` with its units summed into merged units: ``new[c] = scale[c] · Σ old[u]`` over the units u of c.

    Args:
        tensor: a tensor of one model.
        member: where the units lie in it.
        clusters: the merged unit of each unit, shape ``(units,)``.
        scale: a factor for each merged unit, shape ``(units,)``; None is 1.
    """
    part = member.slice_of(tensor)
    axis = member.axis % tensor.dim()
    units = part.reshape(*part.shape[:axis], -1, member.expand, *part.shape[axis + 1 :]) if member.expand > 1 else part
    clusters = clusters.to(tensor.device)
    if torch.equal(clusters.sort().values, torch.arange(len(clusters), device=tensor.device)):
        merged = units.index_select(axis, clusters.argsort())
    else:
        merged = torch.zeros_like(units).index_add_(axis, clusters, units)
    if scale is not None:
        shape = [-1 if dim == axis else 1 for dim in range(units.dim())]
        merged = merged * scale.to(merged).view(shape)
    merged = merged.reshape(part.shape)
    if part.shape == tensor.shape:
        return merged
    whole = tensor.clone()
    member.slice_of(whole).copy_(merged)
    return whole


def merge_tensors(
    tensors: Sequence[Tensor],
    placed: Sequence[tuple[Member, Matching]],
    weights: Sequence[float],
    *,
    epsilon: float = 0.0,
) -> Tensor:
    """One tensor of the merged model: ``Σ_i w_i · W_i`` with the units of every model taken to the merged units.

    A merged unit is the weighted mean of its members where the tensor makes it, and reads the sum of what its members
    read, so that a network whose matched units agree keeps its function.

    Args:
        tensors: the tensor of each model, same shape and dtype.
        placed: the groups whose units lie in it, with their matching.
        weights: one positive number a model; they sum to 1.
        epsilon: added to the number of members before dividing, which the published code does with 1e-5.
    """
    scales = [merge_scale(matching, weights, epsilon) if member.role != "in" else None for member, matching in placed]
    total = torch.zeros_like(tensors[0])
    for index, (tensor, weight) in enumerate(zip(tensors, weights, strict=True)):
        for (member, matching), scale in zip(placed, scales, strict=True):
            tensor = map_units(tensor, member, matching.clusters[index], scale)
        total += weight * tensor
    return total


def merge_scale(matching: Matching, weights: Sequence[float], epsilon: float = 0.0) -> Tensor:
    """1 / (mass of each merged unit), shape ``(units,)``; ``epsilon`` is in numbers of members."""
    return 1 / (matching.mass(weights) + epsilon / len(weights))


def permute_units(tensor: Tensor, member: Member, permutation: Tensor) -> Tensor:
    """``tensor`` with its units in another order: unit ``permutation[r]`` comes to place r."""
    return map_units(tensor, member, permutation.argsort())
