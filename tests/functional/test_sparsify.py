"""Exact magnitude selection, against sorting the joined vector."""

import math
from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fusion_bench.functional.sparsify import keep_fraction, magnitude_cutoff, scan, trim
from fusion_bench.utils.executors import SerialExecutor, ThreadExecutor


def cutoff_of(tensors, keep, dtype=torch.float32, executor=None):
    executor = executor or SerialExecutor()
    return magnitude_cutoff(tensors.__getitem__, list(tensors), Fraction(keep), dtype=dtype, map_tensors=executor.map)


def sorted_cutoff(tensors, keep) -> float:
    """The same from the definition: join, sort, look at the k-th."""
    magnitudes = sorted((abs(float(x)) for tensor in tensors.values() for x in tensor.flatten()), reverse=True)
    return magnitudes[math.ceil(Fraction(keep) * len(magnitudes)) - 1]


def test_by_hand():
    tensors = {"a": torch.tensor([[3.0, -1.0], [0.5, 0.0]]), "b": torch.tensor([-7.0]), "c": torch.zeros(5)}
    cutoff = cutoff_of(tensors, "0.2")  # 2 of 10 entries: 7 and 3
    assert cutoff == 3.0
    assert trim(tensors["a"], cutoff).tolist() == [[3.0, 0.0], [0.0, 0.0]]
    assert trim(tensors["b"], cutoff).tolist() == [-7.0]


def test_the_number_kept_is_rounded_up_and_never_zero():
    tensors = {"a": torch.arange(1.0, 11.0)}
    kept = {
        keep: int((tensors["a"] >= cutoff_of(tensors, keep)).sum()) for keep in ("0.001", "0.2", "0.21", "0.99", "1")
    }
    assert kept == {"0.001": 1, "0.2": 2, "0.21": 3, "0.99": 10, "1": 10}


def test_entries_tied_with_the_last_one_are_all_kept():
    tensors = {"a": torch.tensor([2.0, -2.0, 2.0]), "b": torch.tensor([1.0, 3.0])}
    cutoff = cutoff_of(tensors, "0.4")  # 2 of 5: 3 and one of the 2s
    assert trim(tensors["a"], cutoff).tolist() == [2.0, -2.0, 2.0]
    assert trim(tensors["b"], cutoff).tolist() == [0.0, 3.0]


numbers = st.one_of(
    st.floats(width=32, allow_nan=False, allow_infinity=False),
    st.sampled_from([0.0, -0.0, 1.0, -1.0, 1e-45, -1e-45, 1e-38, 3.4e38, -3.4e38, 0.1]),
).map(lambda value: float(torch.tensor(value)))


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.lists(numbers, max_size=12), min_size=1, max_size=4).filter(lambda lists: any(lists)),
    st.fractions(min_value=Fraction(1, 1000), max_value=1),
)
def test_selection_equals_sorting(lists, keep):
    tensors = {str(index): torch.tensor(values, dtype=torch.float32) for index, values in enumerate(lists)}
    expected, cutoff = sorted_cutoff(tensors, keep), cutoff_of(tensors, keep)
    if keep == 1:
        assert cutoff == 0
    else:
        assert float(cutoff) == expected
    for tensor in tensors.values():
        want = [x if abs(x) >= expected else 0.0 for x in tensor.tolist()]
        assert trim(tensor, cutoff).tolist() == want


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=30), st.integers(1, 99))
def test_selection_in_float64(values, percent):
    tensors = {"a": torch.tensor(values, dtype=torch.float64)}
    keep = Fraction(percent, 100)
    assert float(cutoff_of(tensors, keep, torch.float64)) == sorted_cutoff(tensors, keep)


def test_float32_and_float64_tensors_in_one_vector():
    exact = 0.1  # lies just below the float32 nearest to it
    tensors = {"a": torch.tensor([0.1, 5.0]), "b": torch.tensor([exact, 0.05], dtype=torch.float64)}
    cutoff = cutoff_of(tensors, "0.5", torch.float64)
    assert float(cutoff) == float(torch.tensor(0.1))
    assert trim(tensors["a"], cutoff).tolist() == tensors["a"].tolist()
    assert trim(tensors["b"], cutoff).tolist() == [0.0, 0.0]
    assert trim(tensors["a"], cutoff).dtype == torch.float32


@pytest.mark.parametrize("executor", [SerialExecutor(), ThreadExecutor(2)])
@pytest.mark.parametrize("scale", [1e-30, 1e-3, 1e30])
def test_larger_tensors_in_several_chunks(monkeypatch, executor, scale):
    monkeypatch.setattr("fusion_bench.functional.sparsify._CHUNK", 1000)
    generator = torch.Generator().manual_seed(0)
    tensors = {name: torch.randn(70, 60, generator=generator) * scale for name in "abc"}
    tensors["t"] = tensors["a"].t()  # not contiguous, and every entry twice
    joined = torch.cat([tensor.flatten() for tensor in tensors.values()])
    for keep in ("0.01", "0.2", "0.999"):
        count = math.ceil(Fraction(keep) * joined.numel())
        expected = joined.abs().sort(descending=True).values[count - 1]
        assert torch.equal(cutoff_of(tensors, keep, executor=executor), expected)


@pytest.mark.parametrize("kind", ["normal", "quantised", "mostly zero", "misleading sample"])
@pytest.mark.parametrize("keep", ["0.001", "0.2", "0.5", "0.97"])
def test_the_sample_never_changes_what_is_found(monkeypatch, kind, keep):
    monkeypatch.setattr("fusion_bench.functional.sparsify._STRIDE", 7)
    vector = torch.randn(20_000, generator=torch.Generator().manual_seed(0))
    if kind == "quantised":
        vector = (vector * 2).round()
    elif kind == "mostly zero":
        vector *= vector > 0.8
    elif kind == "misleading sample":
        vector[::7] += 100
    tensors = {"a": vector[:14_000].reshape(20, 700), "b": vector[14_000:]}
    expected = vector.abs().sort(descending=True).values[math.ceil(Fraction(keep) * vector.numel()) - 1]
    assert torch.equal(cutoff_of(tensors, keep), expected)


def test_a_pass_gathers_little(monkeypatch):
    passes = []

    def recording_scan(*args):
        passes.append(scan(*args))
        return passes[-1]

    monkeypatch.setattr("fusion_bench.functional.sparsify.scan", recording_scan)
    vector = torch.randn(2_000_000, generator=torch.Generator().manual_seed(0))
    cutoff_of({"a": vector}, "0.2")
    assert len(passes) == 1
    assert sum(part.size for part in passes[0].within) < 0.06 * vector.numel()


def test_an_entry_that_is_not_a_number_is_refused():
    with pytest.raises(ValueError, match="holds an entry that is not a number"):
        cutoff_of({"a": torch.tensor([math.nan, math.nan, 1.0])}, "0.9")


@pytest.mark.parametrize("value", [0.0, -2.5])
def test_all_entries_equal(value):
    tensors = {"a": torch.full((3, 3), value), "b": torch.full((2,), value)}
    cutoff = cutoff_of(tensors, "0.2")
    assert cutoff == abs(value)
    assert torch.equal(trim(tensors["a"], cutoff), tensors["a"])


def test_no_entries():
    assert cutoff_of({"a": torch.zeros(0)}, "0.2") == 0
    assert cutoff_of({}, "0.2") == 0


def test_trim_leaves_its_argument_alone():
    tensor = torch.tensor([1.0, 5.0])
    trim(tensor, torch.tensor(2.0))
    assert tensor.tolist() == [1.0, 5.0]


@pytest.mark.parametrize(
    ("threshold", "share"),
    [(20, "1/5"), (0.2, "1/5"), (1, "1"), (1.0, "1"), (100, "1"), (7, "7/100"), (0.07, "7/100"), (1.5, "3/200")],
)
def test_thresholds_are_fractions_or_percentages(threshold, share):
    assert keep_fraction(threshold) == Fraction(share)


@pytest.mark.parametrize("threshold", [0, 0.0, -1, 100.1, 101, math.nan, math.inf])
def test_other_thresholds_are_refused(threshold):
    with pytest.raises(ValueError, match=r"threshold must be a fraction in \(0, 1\] or a percentage .*, got"):
        keep_fraction(threshold)
