"""The plane through three networks, points on it, and the barrier on a line between two of them.

Goodfellow, Vinyals & Saxe, "Qualitatively characterizing neural network optimization problems", ICLR 2015, arXiv
1412.6544; Garipov et al., "Loss Surfaces, Mode Connectivity, and Fast Ensembling of DNNs", NeurIPS 2018, arXiv
1802.10026; Frankle et al., "Linear Mode Connectivity and the Lottery Ticket Hypothesis", ICML 2020, arXiv 1912.05671.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from fusion_bench.functional.params import Params, is_mergeable, work_dtype

_THIN = 0.02  # the height of a triangle, as a share of its base, below which its corners count as one line


def plane_positions(corners: Sequence[Params], names: Sequence[str]) -> Tensor:
    """Where three networks lie in the plane through them, ``(3, 2)`` float64, in units of their Euclidean distance.

    The first lies at the origin, the second on the x axis to the right of it, the third above that axis.

    Args:
        corners: the tensors of the three networks.
        names: of the tensors that count for the distance.

    Raises:
        ValueError: if two networks are equal, or all three lie on one line.
    """
    along = difference_products(corners[0], [corners[1], corners[2]], names)
    base = math.sqrt(along[0, 0])
    if base == 0:
        raise ValueError("the first two networks are equal: there is no plane through them")
    shift = float(along[0, 1]) / base
    height = math.sqrt(max(float(along[1, 1]) - shift**2, 0.0))
    if height < _THIN * base:
        raise ValueError("the three networks lie on one line: there are many planes through them")
    return torch.tensor([[0.0, 0.0], [base, 0.0], [shift, height]], dtype=torch.float64)


def place_in_plane(
    corners: Sequence[Params], positions: Tensor, network: Params, names: Sequence[str]
) -> Tensor | None:
    """Where a network lies in the plane through three others, ``(2,)`` float64; None if it lies beside it.

    Args:
        corners: the tensors of the three.
        positions: of these, from :func:`plane_positions`.
        network: the tensors of the other.
        names: of the tensors that count for the distance.
    """
    products = difference_products(corners[0], [corners[1], corners[2], network], names)
    shares = torch.linalg.solve(products[:2, :2], products[:2, 2])
    off = math.sqrt(max(float(products[2, 2] - shares @ products[:2, 2]), 0.0))
    if off >= _THIN * math.sqrt(products[0, 0]):
        return None
    place: Tensor = positions[0] + shares @ (positions[1:] - positions[0])
    return place


def difference_products(origin: Params, others: Sequence[Params], names: Sequence[str]) -> Tensor:
    """Inner products of the differences ``other − origin``, float64 of shape ``(others, others)``."""
    total = torch.zeros(len(others), len(others), dtype=torch.float64)
    for name in names:
        rows = torch.stack([(other[name].double() - origin[name].double()).flatten() for other in others])
        total += (rows @ rows.T).cpu()
    return total


def barycentric(positions: Tensor, points: Tensor) -> Tensor:
    """The shares, which sum to 1, with which three corners make points of their plane, ``(points, 3)``.

    Args:
        positions: of the corners, ``(3, 2)``.
        points: ``(points, 2)``.
    """
    edges = (positions[1:] - positions[0]).T
    shares = torch.linalg.solve(edges, (points - positions[0]).T).T
    return torch.cat([1 - shares.sum(dim=1, keepdim=True), shares], dim=1)


def grid_axes(positions: Tensor, *, resolution: int, margin: float) -> tuple[Tensor, Tensor]:
    """The x and y of a square lattice that holds all positions, with a margin; its steps are equal both ways.

    Args:
        positions: ``(points, 2)``.
        resolution: points along the longer side, at least 2.
        margin: space around, as a share of the longer side.
    """
    low, high = positions.min(dim=0).values, positions.max(dim=0).values
    longest = float((high - low).max())
    low, high = low - margin * longest, high + margin * longest
    step = float((high - low).max()) / (resolution - 1)
    counts = [math.ceil(float(span) / step - 1e-9) + 1 for span in high - low]
    x, y = (torch.arange(count, dtype=torch.float64) * step + start for count, start in zip(counts, low, strict=True))
    return x, y


def combine(networks: Sequence[Params], shares: Sequence[float], name: str) -> Tensor:
    """``Σ shareᵢ · θᵢ`` of one tensor, in float32 at least; integers are the first network's.

    Args:
        networks: their tensors.
        shares: one number a network, negative ones included; they sum to 1.
        name: of the tensor.
    """
    first = networks[0][name]
    if not is_mergeable(first):
        return first.clone()
    dtype = work_dtype(first)
    total = torch.zeros_like(first, dtype=dtype)
    for params, share in zip(networks, shares, strict=True):
        total.add_(params[name].to(dtype), alpha=share)
    return total


def barrier(positions: Tensor, losses: Tensor) -> float:
    """How far the loss on a line rises above the straight line between its ends, at most; 0 if it never does.

    ``max_t L(t) − (1 − t) L(0) − t L(1)``.

    Args:
        positions: t, from 0 to 1, ``(points,)``.
        losses: L(t), ``(points,)``.
    """
    straight = (1 - positions) * losses[0] + positions * losses[-1]
    return max(float((losses - straight).max()), 0.0)
