"""Units matched one to one, against published cases and against all permutations."""

from itertools import permutations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mudsc_oracle import MATCHING_CASES, arrays

from fusion_bench.functional.assignment import align, assign, assign_blocks


def cross_blocks(similarity, models):
    units = len(similarity) // models
    return torch.stack([similarity[:units, units * model : units * (model + 1)] for model in range(1, models)])


@pytest.mark.parametrize("name", [name for name, case in MATCHING_CASES.items() if case["align"]])
def test_published_cases(name):
    case = MATCHING_CASES[name]
    (matching,), (value,) = align([cross_blocks(arrays()[f"{name}.sims"], case["N"])], blocks=case["groups"])
    assert torch.equal(matching.unmerge(), arrays()[f"{name}.unmerge"].double())
    assert value == pytest.approx(float(arrays()[f"{name}.value"]), abs=1e-6)
    merge = matching.unmerge() / (matching.mass() + 1e-5)
    torch.testing.assert_close(merge.float(), arrays()[f"{name}.merge"], rtol=0, atol=1e-6)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 5))
def test_no_permutation_is_better(seed, units):
    similarity = torch.randn(units, units, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    permutation, value = assign(similarity)
    best = max(float(similarity[range(units), p].mean()) for p in map(list, permutations(range(units))))
    assert value == pytest.approx(best)
    assert value == pytest.approx(float(similarity[torch.arange(units), permutation].mean()))


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**6))
def test_no_permutation_that_keeps_tied_blocks_whole_is_better(seed):
    generator = torch.Generator().manual_seed(seed)
    first, second = torch.randn(2, 4, 4, generator=generator, dtype=torch.float64)
    found, order, values = assign_blocks([first, second], blocks=2)
    inner = [(0, 1), (1, 0)]

    def best(similarity, blocks):
        scores = []
        for left in inner:
            for right in inner:
                columns = [2 * blocks[0] + left[0], 2 * blocks[0] + left[1]]
                columns += [2 * blocks[1] + right[0], 2 * blocks[1] + right[1]]
                scores.append(float(similarity[range(4), columns].mean()))
        return max(scores)

    expected = max(best(first, blocks) + best(second, blocks) for blocks in inner)
    assert sum(values) == pytest.approx(expected)
    for permutation, similarity, value in zip(found, (first, second), values, strict=True):
        assert (permutation.view(2, 2) // 2).tolist() == [[block] * 2 for block in order.tolist()]
        assert float(similarity[torch.arange(4), permutation].mean()) == pytest.approx(value)


def test_one_model_is_left_alone():
    (matching,), (value,) = align([torch.empty(0, 3, 3)])
    assert matching.clusters.tolist() == [[0, 1, 2]]
    assert value == 1.0


def test_wrong_similarities():
    with pytest.raises(ValueError, match="5 units do not fall into 2 equal blocks"):
        align([torch.zeros(1, 5, 5)], blocks=2)
    with pytest.raises(ValueError, match="similarities must be finite"):
        assign(torch.tensor([[float("nan")]]))
