"""Statistics against numpy, scipy and counting by hand."""

import itertools
import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from fusion_bench.reporting.statistics import holm, paired_bootstrap, summarise, wilcoxon_signed_rank

shares = st.floats(0, 1, allow_subnormal=False)
differences = st.lists(st.integers(-40, 40).map(lambda value: value / 200), min_size=1, max_size=9)


@given(st.lists(shares, min_size=2, max_size=30), st.sampled_from([0.5, 0.9, 0.95]))
def test_summary_is_that_of_numpy_and_scipy(values, confidence):
    summary = summarise(values, confidence)
    assert summary.count == len(values)
    assert summary.mean == pytest.approx(np.mean(values))
    assert summary.std == pytest.approx(np.std(values, ddof=1), abs=1e-12)
    if summary.std > 1e-9:
        interval = scipy.stats.t.interval(confidence, len(values) - 1, np.mean(values), scipy.stats.sem(values))
        assert (summary.low, summary.high) == pytest.approx(interval)


def test_summary_by_hand():
    summary = summarise([0.1, 0.2, 0.3])
    assert (summary.mean, summary.std) == pytest.approx((0.2, 0.1))
    assert summary.high - 0.2 == pytest.approx(4.302653 * 0.1 / math.sqrt(3))  # t of 2 degrees of freedom


@given(shares, st.integers(2, 20))
def test_equal_values_have_no_deviation_at_all(value, count):
    summary = summarise([value] * count)
    assert summary.std == 0
    assert summary.low == summary.mean == summary.high == pytest.approx(value)


def test_one_value_has_no_deviation_and_none_no_summary():
    summary = summarise([0.5])
    assert (summary.mean, summary.std, summary.low, summary.high) == (0.5, None, None, None)
    assert summarise([]) is None


def by_counting(values):
    """Two-sided p of the signed-rank test over every choice of signs."""
    nonzero = [value for value in values if value != 0]
    ranks = scipy.stats.rankdata(np.abs(nonzero))
    observed = min(ranks[np.array(nonzero) > 0].sum(), ranks[np.array(nonzero) < 0].sum())
    sums = [sum(itertools.compress(ranks, signs)) for signs in itertools.product((0, 1), repeat=len(ranks))]
    return min(1.0, 2 * float(np.mean([value <= observed for value in sums])))


@given(differences)
def test_wilcoxon_is_the_share_of_all_signs(values):
    expected = by_counting(values) if any(values) else 1.0
    assert wilcoxon_signed_rank(values) == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(5))
def test_wilcoxon_without_ties_is_that_of_scipy(seed):
    generator = np.random.default_rng(seed)
    for count in (6, 10, 30):
        values = generator.normal(0.3, 1, count)
        expected = scipy.stats.wilcoxon(values, method="exact").pvalue
        assert wilcoxon_signed_rank(list(values)) == pytest.approx(expected)


def test_wilcoxon_of_many_pairs_is_the_normal_approximation_of_scipy():
    values = np.random.default_rng(0).integers(-9, 12, 80).astype(float)
    expected = scipy.stats.wilcoxon(values, zero_method="wilcox", correction=False, method="approx").pvalue
    assert wilcoxon_signed_rank(list(values)) == pytest.approx(expected)


def test_rounding_errors_are_no_differences():
    tiny = [0.1 + 0.2 - 0.3, 0.0, -1e-16]
    assert tiny[0] != 0
    assert wilcoxon_signed_rank(tiny) == 1
    assert paired_bootstrap(tiny) == paired_bootstrap([0.0, 0.0, 0.0])


def test_bootstrap_of_no_differences():
    resampled = paired_bootstrap([0.0] * 10)
    assert (resampled.p, resampled.low, resampled.high) == (1.0, 0.0, 0.0)


def test_bootstrap_of_equal_differences_is_as_small_as_it_can_be():
    resampled = paired_bootstrap([0.25] * 10)
    assert (resampled.p, resampled.low, resampled.high) == (1 / 10_001, 0.25, 0.25)


def test_bootstrap_is_near_every_resample_counted():
    values = np.array([0.02, -0.01, 0.03, 0.01, 0.0, 0.025])
    means = np.array([values[list(choice)].mean() for choice in itertools.product(range(6), repeat=6)])
    far = np.abs(means - values.mean()) >= abs(values.mean()) - 1e-12
    resampled = paired_bootstrap(list(values), 0.9)
    assert resampled.p == pytest.approx(far.mean(), abs=0.01)
    assert (resampled.low, resampled.high) == pytest.approx(np.quantile(means, [0.05, 0.95]), abs=0.001)


@given(differences)
def test_tests_do_not_mind_which_comes_first(values):
    negated = [-value for value in values]
    assert wilcoxon_signed_rank(values) == pytest.approx(wilcoxon_signed_rank(negated))


def test_holm_by_hand():
    # 0.01 * 4, 0.02 * 3, 0.03 * 2 = 0.06 as well, 0.5 * 1
    assert holm([0.03, 0.01, 0.5, 0.02]) == pytest.approx([0.06, 0.04, 0.5, 0.06])
    assert holm([None, 0.04, None]) == [None, 0.04, None]
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


@given(st.lists(st.none() | shares, max_size=12))
def test_holm_corrects_upwards_and_keeps_the_order(values):
    adjusted = holm(values)
    assert [value is None for value in adjusted] == [value is None for value in values]
    known = sorted((value, corrected) for value, corrected in zip(values, adjusted, strict=True) if value is not None)
    assert all(value <= corrected <= 1 for value, corrected in known)
    assert [corrected for _, corrected in known] == sorted(corrected for _, corrected in known)
    if known:
        assert known[0][1] == pytest.approx(min(1.0, known[0][0] * len(known)))  # Bonferroni for the smallest
