"""Paired tests between groups: which orders are paired, what is corrected, when there is no p."""

import math
from itertools import permutations
from pathlib import Path

import pytest
import scipy.stats
from run_dirs import run_config

from fusion_bench.report import ContinualReport, EvalReport, ModelInfo, TaskScore
from fusion_bench.reporting.comparison import Group
from fusion_bench.reporting.metrics import METRICS
from fusion_bench.reporting.run import Run
from fusion_bench.reporting.significance import paired_tests

ACC = METRICS[0]
ORDERS = list(permutations("abcd"))


def run(accuracy, order=None):
    report = EvalReport(ModelInfo(1, 1), {"a": TaskScore(accuracy, 1.0)})
    continual = ContinualReport(order, (), ((),) * len(order)) if order else None
    return Run(directory=Path("x"), config=run_config("abcd"), report=report, continual=continual)


def group(label, accuracies, orders=ORDERS, models="m"):
    runs = tuple(run(value, order) for value, order in zip(accuracies, orders, strict=False))
    return Group({"method": label}, runs, models)


def test_differences_are_paired_by_order_whatever_the_order_of_the_runs():
    values = [0.5, 0.55, 0.61, 0.58, 0.7, 0.66, 0.4]
    others = [0.45, 0.56, 0.55, 0.5, 0.6, 0.59, 0.38]
    shuffled = group("two", others[::-1], ORDERS[:7][::-1])
    (test,) = paired_tests([group("one", values), shuffled], ACC)
    differences = [value - other for value, other in zip(values, others, strict=True)]
    assert (test.count, test.reason) == (7, "")
    assert test.difference == pytest.approx(math.fsum(differences) / 7)
    assert test.wilcoxon == pytest.approx(scipy.stats.wilcoxon(differences, method="exact").pvalue)
    assert test.low < test.difference < test.high
    assert test.wilcoxon_holm == test.wilcoxon  # a single test needs no correction


def test_only_orders_in_common_count():
    (test,) = paired_tests([group("one", [0.5] * 8), group("two", [0.4] * 8, ORDERS[2:])], ACC)
    assert test.count == 6
    assert test.wilcoxon == pytest.approx(2 / 2**6)


@pytest.mark.parametrize(
    ("count", "offset", "reason"),
    [(5, 0, "5 orders in common, 6 needed"), (1, 0, "1 order in common, 6 needed"), (3, 3, "no order in common")],
)
def test_too_few_orders_are_said_instead_of_a_number(count, offset, reason):
    (test,) = paired_tests([group("one", [0.5] * count), group("two", [0.4] * count, ORDERS[offset:])], ACC)
    assert test.reason == reason
    assert (test.wilcoxon, test.bootstrap, test.low, test.wilcoxon_holm) == (None, None, None, None)


def test_all_differences_zero():
    (test,) = paired_tests([group("one", [0.1 + 0.2] * 10), group("two", [0.3] * 10)], ACC)
    assert (test.wilcoxon, test.bootstrap) == (1.0, 1.0)
    assert (test.low, test.high) == pytest.approx((0, 0))


def test_all_pairs_are_corrected_together_or_those_against_one_group():
    groups = [group(name, [level + index / 1000 for index in range(8)]) for name, level in (("a", 0.3), ("b", 0.5))]
    groups.append(group("c", [0.5 + index / 500 for index in range(8)]))
    smallest = 2 / 2**8
    pairs = paired_tests(groups, ACC)
    assert [(test.first.label, test.second.label) for test in pairs] == [("a", "b"), ("a", "c"), ("b", "c")]
    # The zero difference of b and c in the first order is left out.
    assert [test.wilcoxon for test in pairs] == pytest.approx([smallest, smallest, 2 * smallest])
    assert [test.wilcoxon_holm for test in pairs] == pytest.approx([3 * smallest, 3 * smallest, 3 * smallest])
    against = paired_tests(groups, ACC, against=groups[0])
    assert [(test.first.label, test.second.label) for test in against] == [("b", "a"), ("c", "a")]
    assert [test.wilcoxon_holm for test in against] == pytest.approx([2 * smallest] * 2)


def test_a_method_without_orders_is_the_same_in_every_order():
    simple = Group({"method": "simple"}, (run(0.4),), "m")
    (test,) = paired_tests([simple, group("one", [0.5] * 6)], ACC)
    assert (test.count, test.difference) == (6, pytest.approx(-0.1))
    assert paired_tests([simple, simple], ACC) == []
    seeds = Group({"method": "random"}, (run(0.4), run(0.5)), "m")
    (test,) = paired_tests([seeds, group("one", [0.5] * 6)], ACC)
    assert test.reason == "no order in common"


def test_groups_that_merge_other_models_are_not_paired():
    (test,) = paired_tests([group("one", [0.5] * 6), group("two", [0.4] * 6, models="n")], ACC)
    assert (test.count, test.reason) == (0, "different models are merged")


def test_groups_without_the_metric_are_passed_over():
    assert paired_tests([group("one", [0.5] * 6), group("two", [0.4] * 6)], METRICS[1]) == []
