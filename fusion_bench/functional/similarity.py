"""How similar units of several models are: Pearson correlations of their weights and of their activations.

Xu et al., "Training-Free Pretrained Model Merging" (MuDSC), CVPR 2024, arXiv 2403.01753.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor

from fusion_bench.functional.params import work_dtype
from fusion_bench.functional.permutation import Matching, Member, map_units

FLOOR = 1e-7  # of the product of two standard deviations; units that never vary correlate with nothing

_ROWS_AT_A_TIME = 512

Rows = Sequence[Tensor]
"""For each model a matrix ``(units, values)``."""


def correlate_(covariance: Tensor, row_variance: Tensor, column_variance: Tensor) -> None:
    """Overwrite by ``covariance / (σ_row σ_column)``, the denominator at least 1e-7, so that a dead unit has zeros."""
    rows, columns = row_variance.clamp(min=0).sqrt(), column_variance.clamp(min=0).sqrt()
    for start in range(0, len(covariance), _ROWS_AT_A_TIME):  # the denominator is in float64
        chosen = slice(start, start + _ROWS_AT_A_TIME)
        covariance[chosen] /= torch.outer(rows[chosen], columns).clamp_(min=FLOOR).to(covariance)


def member_rows(
    tensors: Sequence[Tensor], member: Member, others: Sequence[tuple[Member, Matching]], *, average: bool = True
) -> list[Tensor]:
    """What one tensor says of the units of a group, for each model a matrix ``(units, values)``.

    The other axes are taken to the merged units that their groups have now: where the tensor reads units it gets the
    mean over each cluster, where it makes them their sum, the opposite of how tensors are merged. For permutations
    both are the same.

    Args:
        tensors: the tensor of each model.
        member: where the group lies.
        others: the other groups in the tensor that have a matching.
        average: see above; False leaves sums in both cases.
    """
    rows = []
    for index, tensor in enumerate(tensors):
        tensor = tensor.to(work_dtype(tensor))
        for other, matching in others:
            scale = len(tensors) / matching.mass() if average and other.role == "in" else None
            tensor = map_units(tensor, other, matching.clusters[index], scale)
        part = member.slice_of(tensor).movedim(member.axis, 0)
        rows.append(part.reshape(part.shape[0] // member.expand, -1))
    return rows


def row_correlation(parts: Callable[[], Iterable[Rows]], *, cross: bool) -> Tensor:
    """The correlation of every row of one model with those of others, over all columns of all parts together.

    Args:
        parts: gives the columns part by part, always the same; asked twice, for the means and for the products.
        cross: only between the first model and each further one, ``(models - 1, units, units)``; else between all
            rows of all models, ``(models · units, models · units)``.
    """
    means, count = _row_means(parts())
    gram: Tensor | None = None
    variance = [torch.zeros_like(mean) for mean in means]
    for rows in parts():
        centred = [row - mean.to(row).unsqueeze(1) for row, mean in zip(rows, means, strict=True)]
        if gram is None:
            gram = products(centred, cross=cross)
        else:
            add_products_(gram, centred, 1.0, cross=cross)
        for total, row in zip(variance, centred, strict=True):
            total += row.square().sum(dim=1, dtype=torch.float64)
    if gram is None:
        raise ValueError("there is nothing to compare: no tensor holds the units")
    return normalise_(gram.div_(count), [total / count for total in variance], cross=cross)


def products(rows: Rows, *, cross: bool) -> Tensor:
    """Inner products of rows: of the first model's with each further model's, or of all with all."""
    if cross:
        return torch.stack([rows[0] @ other.T for other in rows[1:]])
    stacked = torch.cat(list(rows))
    return stacked @ stacked.T


def add_products_(total: Tensor, rows: Rows, factor: float, *, cross: bool) -> None:
    """Add ``factor`` times :func:`products` to ``total``, without a matrix of that size beside it."""
    if cross:
        for block, other in zip(total, rows[1:], strict=True):
            block.addmm_(rows[0], other.T, alpha=factor)
    else:
        stacked = torch.cat(list(rows))
        total.addmm_(stacked, stacked.T, alpha=factor)


def normalise_(covariance: Tensor, variance: Sequence[Tensor], *, cross: bool) -> Tensor:
    """Covariances as :func:`products` lays them out, overwritten by correlations.

    Args:
        covariance: see there.
        variance: of the rows of each model.
        cross: which of the two layouts.
    """
    if cross:
        for block, other in zip(covariance, variance[1:], strict=True):
            correlate_(block, variance[0], other)
    else:
        every = torch.cat(list(variance))
        correlate_(covariance, every, every)
    return covariance


def dual(weights: Tensor | None, activations: Tensor | None, alpha: float) -> Tensor:
    """``alpha · weights + (1 - alpha) · activations``; the one that is there if the other is None."""
    if activations is None or weights is None:
        present = weights if activations is None else activations
        if present is None:
            raise ValueError("neither weights nor activations are compared")
        return present
    return alpha * weights + (1 - alpha) * activations.to(weights)


def _row_means(parts: Iterable[Rows]) -> tuple[list[Tensor], int]:
    sums: list[Tensor] | None = None
    count = 0
    for rows in parts:
        totals = [row.sum(dim=1, dtype=torch.float64) for row in rows]
        sums = totals if sums is None else [old + new for old, new in zip(sums, totals, strict=True)]
        count += rows[0].shape[1]
    return [total / count for total in sums or []], count


class FeatureStatistics:
    """Correlations of features of several models on the same inputs, batch by batch.

    Each batch has the weight of its number of images, however many positions an image has. Products are of centred
    values, so that a large mean costs no precision (Chan, Golub & LeVeque, 1983).

    Args:
        cross: only products between the first model and the others, see :func:`products`.
    """

    def __init__(self, *, cross: bool) -> None:
        self._cross = cross
        self._weight = 0.0
        self._mean: list[Tensor] = []
        self._variance: list[Tensor] = []
        self._gram = torch.empty(0)

    def add(self, features: Rows, images: int) -> None:
        """Add one batch.

        Args:
            features: for each model ``(units, values)``, values of all positions of all images of the batch.
            images: how many images the batch has.
        """
        mean = [rows.mean(dim=1, dtype=torch.float64) for rows in features]
        centred = [rows - one.to(rows).unsqueeze(1) for rows, one in zip(features, mean, strict=True)]
        share = images / features[0].shape[1]
        variance = [rows.square().sum(dim=1, dtype=torch.float64) * share for rows in centred]
        total = self._weight + images
        if not self._mean:
            self._gram = products(centred, cross=self._cross).mul_(share)
            self._weight, self._mean, self._variance = total, mean, variance
            return
        moved = [new - old for new, old in zip(mean, self._mean, strict=True)]
        between = self._weight * images / total
        add_products_(self._gram, centred, share, cross=self._cross)
        add_products_(self._gram, [one.unsqueeze(1).to(self._gram) for one in moved], between, cross=self._cross)
        for old, new, move in zip(self._variance, variance, moved, strict=True):
            old += new + move.square() * between
        self._mean = [old + move * (images / total) for old, move in zip(self._mean, moved, strict=True)]
        self._weight = total

    def correlation_(self) -> Tensor:
        """The correlations of everything added, which take the place of the sums: nothing can be added any more.

        Raises:
            ValueError: if nothing was added.
        """
        if not self._mean:
            raise ValueError("no data was given to compare activations on")
        variance = [one / self._weight for one in self._variance]
        return normalise_(self._gram.div_(self._weight), variance, cross=self._cross)
