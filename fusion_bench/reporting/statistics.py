"""Means, intervals and paired tests over task orders: plain numbers in, plain numbers out."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

ENOUGH_PAIRS = 6  # with five pairs the smallest two-sided p of a signed-rank test is 2 / 2^5 > 0.05
RESAMPLES = 10_000
_EXACT_PAIRS = 50  # up to here the distribution of the rank sum is computed, beyond it is taken as normal
_DIGITS = 12  # differences that agree to so many decimals are ties; sums of shares carry rounding errors of 1e-16


@dataclass(frozen=True)
class Summary:
    """A sample: size, mean, sample standard deviation (n - 1) and the ends of a confidence interval of the mean.

    The deviation and the interval are None for a single value.
    """

    count: int
    mean: float
    std: float | None
    low: float | None
    high: float | None


def summarise(values: Sequence[float], confidence: float = 0.95) -> Summary | None:
    """Mean, standard deviation and Student's t interval: mean ± t · std / √n; None for no value."""
    if not values:
        return None
    count, mean = len(values), math.fsum(values) / len(values)
    if count == 1:
        return Summary(count, mean, None, None, None)
    from scipy.special import stdtrit

    std = statistics.stdev(values)
    margin = float(stdtrit(count - 1, (1 + confidence) / 2)) * std / math.sqrt(count)
    return Summary(count, mean, std, mean - margin, mean + margin)


def wilcoxon_signed_rank(differences: Sequence[float]) -> float:
    """Two-sided p of Wilcoxon's signed-rank test; 1 where all differences are 0.

    Differences of 0 are left out, ties share their mean rank. Up to 50 pairs the distribution over all signs is
    computed, with more it is the normal one with a correction for ties.
    """
    nonzero = [value for value in (round(value, _DIGITS) for value in differences) if value != 0]
    if not nonzero:
        return 1.0
    doubled = _doubled_ranks([abs(value) for value in nonzero])
    positive = sum(rank for rank, value in zip(doubled, nonzero, strict=True) if value > 0)
    smaller = min(positive, sum(doubled) - positive)
    if len(nonzero) > _EXACT_PAIRS:
        deviation = math.sqrt(sum(rank * rank for rank in doubled))  # of the doubled rank sum, twice
        return min(1.0, math.erfc((sum(doubled) - 2 * smaller) / deviation / math.sqrt(2)))
    return min(1.0, 2 * _share_of_sums_up_to(smaller, doubled))


def _doubled_ranks(values: Sequence[float]) -> list[int]:
    """Twice the rank of each value, from 2 upwards, so that the mean rank of ties is whole."""
    ordered = sorted(values)
    first = {value: index for index, value in reversed(list(enumerate(ordered)))}
    last = {value: index for index, value in enumerate(ordered)}
    return [first[value] + last[value] + 2 for value in values]


def _share_of_sums_up_to(limit: int, doubled: Sequence[int]) -> float:
    """The share of all choices among the ranks whose sum is at most ``limit``."""
    ways = [1] + [0] * limit  # ways[s]: choices of the ranks so far that sum to s
    for rank in doubled:
        for total in range(limit, rank - 1, -1):
            ways[total] += ways[total - rank]
    share: float = sum(ways) / 2 ** len(doubled)
    return share


@dataclass(frozen=True)
class Bootstrap:
    """A two-sided p and the ends of a percentile interval of the mean difference."""

    p: float
    low: float
    high: float


def paired_bootstrap(differences: Sequence[float], confidence: float = 0.95, seed: int = 0) -> Bootstrap:
    """The mean of paired differences under 10 000 resamples of the pairs.

    The interval holds the middle share of the resampled means. For p the differences are moved to a mean of 0, and
    p = (1 + resamples whose mean is as far from 0 as the observed one) / (1 + resamples).
    """
    import numpy as np

    observed = np.round(np.asarray(differences, dtype=np.float64), _DIGITS)
    choices = np.random.default_rng(seed).integers(0, len(observed), (RESAMPLES, len(observed)))
    means = observed[choices].mean(axis=1)
    centre = observed.mean()
    as_far = np.abs(means - centre) >= abs(centre) - 10**-_DIGITS
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Bootstrap((1 + int(as_far.sum())) / (1 + RESAMPLES), float(low), float(high))


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm's step-down correction for as many tests as there are values; None stays None.

    The i-th smallest of m is multiplied by m - i + 1; an adjusted value is never below a smaller one's, nor above 1.
    """
    known = sorted((value, index) for index, value in enumerate(p_values) if value is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    highest = 0.0
    for rank, (value, index) in enumerate(known):
        highest = max(highest, min(1.0, value * (len(known) - rank)))
        adjusted[index] = highest
    return adjusted
