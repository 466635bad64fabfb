"""Which methods can be told apart over the orders that both of them were run in."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from fusion_bench.reporting.comparison import Group
from fusion_bench.reporting.metrics import Metric
from fusion_bench.reporting.statistics import ENOUGH_PAIRS, holm, paired_bootstrap, wilcoxon_signed_rank


@dataclass(frozen=True, eq=False)
class PairedTest:
    """Two groups over the orders they share.

    Args:
        first: one group.
        second: the other.
        metric: what is compared.
        count: orders in common.
        difference: mean of first minus second; None without a common order.
        low: the lower end of the bootstrap interval of the difference.
        high: the upper end.
        wilcoxon: two-sided p of the signed-rank test; None where there are too few orders.
        bootstrap: two-sided p of the paired bootstrap; None likewise.
        wilcoxon_holm: p of the signed-rank test, corrected for all pairs that were tested together.
        bootstrap_holm: p of the paired bootstrap, corrected likewise.
        reason: why there is no p; empty where there is one.
    """

    first: Group
    second: Group
    metric: Metric
    count: int
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    wilcoxon: float | None = None
    bootstrap: float | None = None
    wilcoxon_holm: float | None = None
    bootstrap_holm: float | None = None
    reason: str = ""


def paired_tests(
    groups: Sequence[Group], metric: Metric, *, against: Group | None = None, confidence: float = 0.95
) -> list[PairedTest]:
    """A test for each pair of groups that have the metric, or of each with ``against``; p corrected after Holm.

    Groups without orders, of a single run, have the same value in every order. Two of those are not tested, nor are
    groups that merge different models.
    """
    having = [group for group in groups if group.values(metric)]
    pairs = list(combinations(having, 2))
    if against is not None:
        pairs = [(group, against) for group in having if group is not against and against in having]
    tests = [
        _test(first, second, metric, confidence)
        for first, second in pairs
        if first.by_order(metric) or second.by_order(metric)
    ]
    wilcoxon = holm([test.wilcoxon for test in tests])
    bootstrap = holm([test.bootstrap for test in tests])
    return [
        replace(test, wilcoxon_holm=rank, bootstrap_holm=resampled)
        for test, rank, resampled in zip(tests, wilcoxon, bootstrap, strict=True)
    ]


def _test(first: Group, second: Group, metric: Metric, confidence: float) -> PairedTest:
    if first.models is not None and second.models is not None and first.models != second.models:
        return PairedTest(first, second, metric, 0, reason="different models are merged")
    differences = _differences(first, second, metric)
    if not differences:
        return PairedTest(first, second, metric, 0, reason="no order in common")
    mean = math.fsum(differences) / len(differences)
    test = PairedTest(first, second, metric, len(differences), mean)
    if len(differences) < ENOUGH_PAIRS:
        orders = "1 order" if len(differences) == 1 else f"{len(differences)} orders"
        return replace(test, reason=f"{orders} in common, {ENOUGH_PAIRS} needed")
    resampled = paired_bootstrap(differences, confidence)
    return replace(
        test,
        low=resampled.low,
        high=resampled.high,
        wilcoxon=wilcoxon_signed_rank(differences),
        bootstrap=resampled.p,
    )


def _differences(first: Group, second: Group, metric: Metric) -> list[float]:
    """First minus second in each order that both have."""
    left, right = first.by_order(metric), second.by_order(metric)
    if not left:
        left = dict.fromkeys(right, _constant(first, metric)) if len(first.runs) == 1 else {}
    elif not right:
        right = dict.fromkeys(left, _constant(second, metric)) if len(second.runs) == 1 else {}
    return [left[order] - right[order] for order in left if order in right]


def _constant(group: Group, metric: Metric) -> float:
    (value,) = group.values(metric)
    return value
