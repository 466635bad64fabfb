"""Units of several models merged greedily, across models and within one, until as many are left as one model has.

Stoica et al., "ZipIt! Merging Models from Different Tasks without Training", ICLR 2024, arXiv 2305.03053, with the
budget of merges within one model and the damping of merged units used there and in MuDSC (arXiv 2403.01753).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fusion_bench.functional.assignment import assign_blocks, check_blocks
from fusion_bench.functional.permutation import Matching

Array = Any  # numpy.ndarray; its type arguments differ between the versions of numpy this runs with
_SLACK = 1e-4  # the published code rounds numbers of merges up by this much


@dataclass
class Budgets:
    """Merges within one model that are left, for each model; used up as units merge."""

    left: list[int]
    spent: list[bool]

    @classmethod
    def of(cls, models: int, merges: int, share: float, *, lenient: bool = False) -> Budgets:
        """Budgets for ``merges`` merges in all: ``share`` of each model's part; ``lenient`` grants at least one."""
        left = int((merges // models) * share + _SLACK)
        return cls([left] * models, [left <= 0 and not lenient] * models)

    def use(self, model: int) -> bool:
        """Count a merge within ``model``; whether its budget is now spent."""
        self.left[model] -= 1
        self.spent[model] = self.spent[model] or self.left[model] <= 0
        return self.spent[model]


def zip_units(
    similarity: Tensor,
    models: int,
    *,
    a: float = 0.5,
    b: float = 1.0,
    blocks: int = 1,
    pairing: Tensor | None = None,
    lenient: bool = False,
) -> tuple[Matching, float]:
    """Merge the most similar units, one pair after the other, until one model's number of them is left.

    A merged unit is as similar to another as the less similar of its two parts, times ``a``.

    Args:
        similarity: symmetric, shape ``(models · units, models · units)``, the units of model 0 first.
        models: how many models.
        a: factor in (0, 1] on the similarities of merged units; small values make pairs rather than large clusters.
        b: share in [0, 1] of the merges that may join units of one model.
        blocks: how many blocks of units stay whole; units merge only with those of the matched blocks.
        pairing: int64 ``(models - 1, blocks)``, the block of each further model for each block of model 0; by default
            the best one.
        lenient: let each model merge two of its units even with ``b=0``, as the published code does.

    Returns:
        The matching, and the mean similarity at the moments of merging.

    Raises:
        ValueError: for options out of range, similarities that are not finite, or budgets that forbid every merge.
    """
    check_zip_options(a, b)
    units = len(similarity) // models
    size = check_blocks(units, blocks)
    matrix = similarity.detach().cpu().numpy()
    if not np.isfinite(matrix).all():
        raise ValueError("similarities must be finite; some are NaN or infinite")
    if blocks > 1 and pairing is None:
        pairing = pair_blocks([similarity], models, blocks)
    budgets = Budgets.of(models, units * (models - 1), b, lenient=lenient)
    values: list[float] = []
    survivors: list[list[int]] = []
    for block in range(blocks):
        chosen = [block, *([] if pairing is None else pairing[:, block].tolist())] if blocks > 1 else [0] * models
        index = np.concatenate([model * units + one * size + np.arange(size) for model, one in enumerate(chosen)])
        inner = Budgets.of(models * blocks, units * (models - 1), 1.0, lenient=True) if blocks > 1 else None
        clusters, merged = _greedy(matrix[np.ix_(index, index)], models, size, a, budgets, inner)
        order = sorted(range(len(clusters)), key=lambda c, part=clusters: part[c][0])  # type: ignore[misc]
        survivors.extend([[int(index[member]) for member in clusters[c]] for c in order])
        values.extend(merged)
    owner = torch.empty(models * units, dtype=torch.int64)
    for number, members in enumerate(survivors):
        owner[members] = number
    return Matching(owner.view(models, units)), float(np.mean(values)) if values else 1.0


def pair_blocks(similarities: Sequence[Tensor], models: int, blocks: int) -> Tensor:
    """The block of each further model that fits each block of model 0 best, int64 ``(models - 1, blocks)``.

    Args:
        similarities: one matrix ``(models · units, models · units)`` for each group whose blocks belong together.
        models: how many models.
        blocks: how many blocks.
    """
    pairs = []
    for model in range(1, models):
        cross = [_cross(similarity, models, model) for similarity in similarities]
        pairs.append(assign_blocks(cross, blocks)[1])
    return torch.stack(pairs) if pairs else torch.empty(0, blocks, dtype=torch.int64)


def check_zip_options(a: float, b: float) -> None:
    """Check the damping and the budget.

    Raises:
        ValueError: naming the one that is out of range.
    """
    if not 0 < a <= 1:
        raise ValueError(f"a must be in (0, 1], got {a}")
    if not 0 <= b <= 1:
        raise ValueError(f"b must be in [0, 1], got {b}")


def _cross(similarity: Tensor, models: int, model: int) -> Tensor:
    units = len(similarity) // models
    return similarity[:units, model * units : (model + 1) * units]


class _Pairs:
    """Similarities above the diagonal, with the best column of every row at hand.

    Merged units stay in the matrix as rows and columns of minus infinity, so that nothing is ever moved; a merge
    rewrites one row and one column, and only rows whose best column was touched are searched again.
    """

    def __init__(self, similarity: Array) -> None:
        size = len(similarity)
        self.upper = np.where(np.triu(np.ones((size, size), dtype=bool), 1), similarity, -np.inf)
        self.column = self.upper.argmax(axis=1)
        self.value = self.upper[np.arange(size), self.column]

    def best(self) -> tuple[int, int, float]:
        """The first pair ``i < j`` of the largest similarity, in row order."""
        row = int(self.value.argmax())
        return row, int(self.column[row]), float(self.value[row])

    def join(self, i: int, j: int, factor: float) -> None:
        """Put unit j into unit i."""
        new = np.minimum(np.maximum(self.upper[i], self.upper[:, i]), np.maximum(self.upper[j], self.upper[:, j]))
        new *= new.dtype.type(factor)
        new[[i, j]] = -np.inf
        self.upper[i, i + 1 :] = new[i + 1 :]
        self.upper[:i, i] = new[:i]
        self.upper[j] = -np.inf
        self.upper[:, j] = -np.inf
        stale = (self.column[:j] == i) | (self.column[:j] == j)
        stale[i] = True
        rows = np.flatnonzero(stale)
        self.column[j], self.value[j] = 0, -np.inf
        above = np.flatnonzero((new[:i] > self.value[:i]) | ((new[:i] == self.value[:i]) & (i < self.column[:i])))
        self.column[above], self.value[above] = i, new[above]
        self.search(rows)

    def forbid(self, units: Array) -> None:
        """Let no two of ``units`` merge."""
        self.upper[np.ix_(units, units)] = -np.inf
        self.search(units)

    def search(self, rows: Array) -> None:
        """Find the best column of ``rows`` again."""
        self.column[rows] = self.upper[rows].argmax(axis=1)
        self.value[rows] = self.upper[rows, self.column[rows]]


def _greedy(
    similarity: Array, models: int, units: int, a: float, budgets: Budgets, inner: Budgets | None
) -> tuple[list[list[int]], list[float]]:
    """The clusters left after ``units · (models - 1)`` merges, and the similarity of each merge."""
    pairs = _Pairs(similarity)
    owner = np.repeat(np.arange(models), units)
    alive = np.ones(len(owner), dtype=bool)
    clusters: dict[int, list[int]] = {unit: [unit] for unit in range(len(owner))}
    values = []
    for model in range(models):
        if budgets.spent[model]:
            pairs.forbid(np.flatnonzero(owner == model))
    for _ in range(units * (models - 1)):
        i, j, value = pairs.best()
        if value == -np.inf:
            raise ValueError("no two units may merge any more; b allows too few merges within one model")
        values.append(value)
        pairs.join(i, j, a)
        clusters[i] += clusters.pop(j)
        alive[j] = False
        if owner[i] == owner[j]:
            spent = [budget.use(int(owner[i])) for budget in (budgets, inner) if budget is not None]
            if any(spent):
                pairs.forbid(np.flatnonzero(alive & (owner == owner[i])))
    return list(clusters.values()), values
