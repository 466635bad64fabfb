"""The statistics of the results page, against counting by hand and against the normal approximation."""

import numpy as np
import pytest

from tools.tiny8.results.bootstrap import interval, paired_difference, resampled_means
from tools.tiny8.results.page import short_table, summary, table
from tools.tiny8.results.scores import Row
from tools.tiny8.suite import NAMES


def make_row(name, accuracy, seed=0, means=(), options=None, count=400):
    rng = np.random.default_rng(seed)
    hits = {task: (rng.random(count) < accuracy).astype(float) for task in NAMES}
    return Row(name, hits, tuple(means) or (0.0,), options or {})


def test_the_mean_weighs_tasks_alike():
    hits = {"one": np.ones(10), "two": np.zeros(1000)}
    assert Row("method", hits, (0.5,)).mean == 0.5


def test_the_spread_is_that_of_the_orders():
    row = make_row("method", 0.5, means=(0.5, 0.6))
    assert row.spread == pytest.approx(np.std([0.5, 0.6], ddof=1))
    assert make_row("method", 0.5).spread is None


def test_resampling_has_the_variance_of_a_mean():
    values = [np.repeat([0.0, 1.0], 200)]
    means = resampled_means(values, 4000, np.random.default_rng(0))
    assert means.mean() == pytest.approx(0.5, abs=0.002)
    assert means.std() == pytest.approx(0.5 / np.sqrt(400), rel=0.05)


def test_equal_methods_differ_by_nothing_and_better_ones_significantly():
    worse, better = make_row("worse", 0.5), make_row("better", 0.6)  # the same images are hard for both
    same = paired_difference(worse, worse)
    assert (same.value, same.low, same.high) == (0, 0, 0)
    assert not same.is_significant
    found = paired_difference(better, worse)
    assert found.is_significant
    assert found.value == pytest.approx(better.mean - worse.mean)
    assert found.low < found.value < found.high
    low, high = interval(better.hits)
    assert found.high - found.low < high - low  # pairing takes the difficulty of the images out


def test_tables_and_summary_print_what_was_measured():
    rows = [
        make_row("pretrained", 0.4),
        make_row("OPCM", 0.6, means=(0.59, 0.61), options={"alpha": 0.5}),
        make_row("individual", 0.8),
    ]
    found = [paired_difference(rows[1], rows[0])]
    assert f"| OPCM, α 0.5 | {100 * rows[1].accuracies['emoji']:.1f}" in table(rows)
    assert f"| {100 * rows[1].mean:.2f} | 1.41 |" in short_table(rows)
    share = (rows[1].mean - rows[0].mean) / (rows[2].mean - rows[0].mean)
    assert f"recovers {100 * share:.0f} %" in summary(rows, found)
    assert "OPCM from pretrained" in summary(rows, found)
