"""The report over orders: mean and standard deviation against numpy, the table, what is missing."""

import numpy as np
import pytest

from fusion_bench.report import ContinualReport
from fusion_bench.reporting.orders_report import OrdersReport


def report(order, last, learnt=(0.9, None)):
    return ContinualReport(tuple(order), tuple(order), (learnt, tuple(last)))


REPORTS = {
    "order_00": report("ab", (0.5, 0.75)),
    "order_01": report("ba", (0.25, 0.5)),
    "order_02": report("ab", (0.625, 0.25)),
}


def test_mean_and_sample_deviation_are_those_of_numpy():
    found = OrdersReport(REPORTS).to_dict()
    accuracies = [0.625, 0.375, 0.4375]
    assert found["mean"]["ACC"] == pytest.approx(np.mean(accuracies))
    assert found["std"]["ACC"] == pytest.approx(np.std(accuracies, ddof=1))
    assert found["mean"]["accuracy"]["a"] == pytest.approx(np.mean([0.5, 0.5, 0.625]))
    assert found["std"]["accuracy"]["b"] == pytest.approx(np.std([0.75, 0.25, 0.25], ddof=1))
    assert [entry["directory"] for entry in found["orders"]] == list(REPORTS)
    assert found["orders"][1]["order"] == ["b", "a"]
    assert found["mean"]["normalised_accuracy"] is None


def test_the_same_scores_in_other_orders_have_no_deviation_at_all():
    scores = {"a": 0.1, "b": 0.2, "c": 0.3}
    orders = ("abc", "cab", "bca", "cba")
    matrices = {order: ((None,) * 3, (None,) * 3, tuple(scores[task] for task in order)) for order in orders}
    rows = {order: ContinualReport(tuple(order), tuple(order), matrix) for order, matrix in matrices.items()}
    assert OrdersReport(rows).to_dict()["std"]["ACC"] == 0.0


def test_the_table_has_a_row_for_each_order_and_the_mean():
    lines = OrdersReport(REPORTS).table().splitlines()
    assert lines[0].split() == ["order", "ACC", "BWT", "BWT", "over", "T", "forgetting"]
    assert lines[2].split()[:2] == ["order_00", "62.5"]
    assert lines[-1].startswith("mean ± std  47.9 ± 13.01")


def test_a_metric_that_is_missing_once_has_no_mean():
    missing = {"order_00": REPORTS["order_00"], "order_01": report("ba", (0.5, 0.5), (None, None))}
    found = OrdersReport(missing).to_dict()
    assert found["mean"]["BWT"] is None
    assert found["mean"]["ACC"] == pytest.approx(0.5625)


def test_one_order_has_no_deviation():
    found = OrdersReport({"order_00": REPORTS["order_00"]})
    assert found.to_dict()["std"]["ACC"] is None
    assert found.table().splitlines()[-1].split()[:4] == ["mean", "±", "std", "62.5"]
