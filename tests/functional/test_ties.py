"""TIES on named tensors, against a plain implementation on joined vectors."""

import math
from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fusion_bench.functional.sparsify import keep_fraction
from fusion_bench.functional.ties import disjoint_merge, elect_signs, ties_merger, widest_dtype, without
from fusion_bench.utils.executors import SerialExecutor, ThreadExecutor


def merge(vectors, keep, merge_func, executor=None):
    """The merged tensors of ``vectors``, a list of dicts of tensors."""
    names = list(vectors[0])
    merged = ties_merger(
        [vector.__getitem__ for vector in vectors],
        names,
        keep=Fraction(keep),
        merge_func=merge_func,
        dtype=widest_dtype(vectors[0], names),
        map_tensors=(executor or SerialExecutor()).map,
    )
    return {name: merged(name) for name in names}


def plain_ties(rows: list[list[float]], keep: Fraction, merge_func: str) -> list[float]:
    """TIES from its definition, on lists of numbers."""
    trimmed = []
    for row in rows:
        cutoff = sorted(map(abs, row), reverse=True)[math.ceil(keep * len(row)) - 1]
        trimmed.append([x if abs(x) >= cutoff else 0.0 for x in row])
    majority = math.fsum(x for row in trimmed for x in row)
    result = []
    for column in zip(*trimmed, strict=True):
        elected = math.fsum(column) or majority
        agreeing = [x for x in column if x * elected > 0] or [0.0]
        if merge_func == "sum":
            result.append(math.fsum(agreeing))
        elif merge_func == "mean":
            result.append(math.fsum(agreeing) / len(agreeing))
        else:
            result.append(max(agreeing, key=abs))
    return result


def test_by_hand():
    vectors = [{"w": torch.tensor([3.0, -1.0, 2.0, 0.1])}, {"w": torch.tensor([1.0, -3.0, -4.0, 0.0])}]
    # kept, 3 of 4:  3 -1  2 0  and  1 -3 -4 0;  elected: + - -
    assert merge(vectors, "0.75", "sum")["w"].tolist() == [4.0, -4.0, -4.0, 0.0]
    assert merge(vectors, "0.75", "mean")["w"].tolist() == [2.0, -2.0, -4.0, 0.0]
    assert merge(vectors, "0.75", "max")["w"].tolist() == [3.0, -3.0, -4.0, 0.0]
    # kept, 1 of 4:  3 . . .  and  . . -4 .
    assert merge(vectors, "0.25", "sum")["w"].tolist() == [3.0, 0.0, -4.0, 0.0]


@pytest.mark.parametrize("merge_func", ["sum", "mean", "max"])
def test_entries_that_cancel_take_the_sign_of_the_total_sum(merge_func):
    # One entry cancels; the rest of the trimmed vectors sums to -9 although most of it is positive in number.
    vectors = [
        {"u": torch.tensor([2.0, 1.0]), "v": torch.tensor([1.0, -12.0])},
        {"u": torch.tensor([-2.0, 0.5]), "v": torch.tensor([0.25, 0.25])},
    ]
    assert merge(vectors, "1", merge_func)["u"][0] == -2.0
    negated = [{name: -tensor for name, tensor in vector.items()} for vector in vectors]
    assert merge(negated, "1", merge_func)["u"][0] == 2.0


@pytest.mark.parametrize("merge_func", ["sum", "mean", "max"])
def test_nothing_agrees_where_the_total_sum_is_zero_too(merge_func):
    vectors = [{"w": torch.tensor([1.0, -2.0])}, {"w": torch.tensor([-1.0, 2.0])}]
    assert merge(vectors, "1", merge_func)["w"].tolist() == [0.0, 0.0]


@pytest.mark.parametrize("merge_func", ["sum", "mean", "max"])
def test_one_vector_is_only_trimmed_and_zero_vectors_stay_zero(merge_func):
    assert merge([{"w": torch.tensor([1.0, -3.0])}], "0.5", merge_func)["w"].tolist() == [0.0, -3.0]
    assert merge([{"w": torch.zeros(3)}] * 2, "0.2", merge_func)["w"].tolist() == [0.0, 0.0, 0.0]
    half = [{"w": torch.zeros(2)}, {"w": torch.tensor([1.0, -3.0])}]
    assert merge(half, "0.5", merge_func)["w"].tolist() == [0.0, -3.0]


# Quarters add up exactly in float32, so that both implementations see the same sums, zeros and ties.
quarters = st.integers(-16, 16).map(lambda value: value / 4)


@settings(max_examples=80, deadline=None)
@given(st.data(), st.integers(1, 4), st.integers(1, 9), st.sampled_from(["sum", "mean", "max"]), st.integers(1, 100))
def test_against_the_plain_implementation(data, models, size, merge_func, percent):
    rows = data.draw(st.lists(st.lists(quarters, min_size=size, max_size=size), min_size=models, max_size=models))
    cut = size // 2
    vectors = [{"u": torch.tensor(row[:cut]), "v": torch.tensor(row[cut:])} for row in rows]
    merged = merge(vectors, Fraction(percent, 100), merge_func)
    joined = torch.cat([merged["u"], merged["v"]])
    expected = torch.tensor(plain_ties(rows, Fraction(percent, 100), merge_func))
    torch.testing.assert_close(joined, expected, rtol=1e-6, atol=0)


@pytest.mark.parametrize("merge_func", ["sum", "mean", "max"])
@pytest.mark.parametrize("threshold", [1, 0.2, 20, 100, 1.0])
def test_random_vectors(merge_func, threshold):
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(3, 500, generator=generator)
    vectors = [{"u": row[:100].reshape(10, 10), "v": row[100:]} for row in rows]
    merged = merge(vectors, keep_fraction(threshold), merge_func, ThreadExecutor(2))
    joined = torch.cat([merged["u"].flatten(), merged["v"]])
    expected = torch.tensor(plain_ties(rows.tolist(), keep_fraction(threshold), merge_func))
    torch.testing.assert_close(joined, expected, rtol=1e-6, atol=1e-7)


def test_the_sign_of_entries_that_nearly_cancel_is_that_of_the_true_sum():
    vectors = [torch.tensor([1e8]), torch.tensor([1.0]), torch.tensor([-1e8])]  # float32 sums to 0, or to 1
    assert elect_signs(vectors, fallback=-1.0).tolist() == [1.0]


def test_disjoint_merge_keeps_dtype_and_arguments():
    vectors = [torch.tensor([1.0, -2.0], dtype=torch.float64), torch.tensor([3.0, 2.0], dtype=torch.float64)]
    signs = torch.tensor([1.0, -1.0], dtype=torch.float64)
    for merge_func, expected in {"sum": [4.0, -2.0], "mean": [2.0, -2.0], "max": [3.0, -2.0]}.items():
        merged = disjoint_merge(vectors, signs, merge_func)
        assert (merged.tolist(), merged.dtype) == (expected, torch.float64)
    assert vectors[0].tolist() == [1.0, -2.0]
    assert signs.tolist() == [1.0, -1.0]


def test_unknown_merge_function():
    with pytest.raises(ValueError, match="merge_func must be one of sum, mean, max; got 'median'"):
        disjoint_merge([torch.ones(1)], torch.ones(1), "median")


def test_remove_keys():
    names = ["embed.weight", "head.weight"]
    assert without(names, []) == names
    assert without(names, ["head.weight"]) == ["embed.weight"]
    with pytest.raises(ValueError, match=r"names 'head\.wieght', which is no tensor .* did you mean 'head\.weight'"):
        without(names, ["head.wieght"])
    with pytest.raises(TypeError, match="remove_keys must be a list of tensor names, got the string 'head'"):
        without(names, "head")
