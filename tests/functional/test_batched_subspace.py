"""Projecting a stack of matrices is projecting each of them."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fusion_bench.functional.batched_subspace import project_out_stack
from fusion_bench.functional.subspace import project_out

SHAPES = [(6, 6), (9, 4), (4, 9), (1, 5), (5, 1)]


def full_svd_recipe(accumulator, vector, alpha, zero_diagonal):
    """The definition, word by word, in float64: full U and V, P with its entries set to zero, and back."""
    u, s, vh = torch.linalg.svd(accumulator.double(), full_matrices=True)
    defined = int((s > 1e-6 * s[0]).sum())
    rank = defined if alpha == 1 else min(defined, int((s.cumsum(0) <= (alpha + 1e-9) * s.sum()).sum()))
    p = u.T @ vector.double() @ vh.T
    p[:rank, :rank] = 0
    if zero_diagonal:
        p.diagonal()[:defined] = 0
    return u @ p @ vh, rank


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    shape=st.sampled_from(SHAPES),
    alpha=st.sampled_from([0.0, 0.3, 0.5, 0.8, 1.0]),
    zero_diagonal=st.booleans(),
    seed=st.integers(0, 1 << 30),
)
def test_each_matrix_as_by_a_full_svd(shape, alpha, zero_diagonal, seed):
    generator = torch.Generator().manual_seed(seed)
    accumulators, vectors = torch.randn(2, 3, *shape, generator=generator)
    if min(shape) > 2:
        accumulators[1, :, 2:] = 0  # of rank 2
    found, ranks = project_out_stack(accumulators, vectors, alpha=alpha, zero_diagonal=zero_diagonal)
    assert found.dtype == torch.float32
    for place in range(3):
        expected, rank = full_svd_recipe(accumulators[place], vectors[place], alpha, zero_diagonal)
        assert int(ranks[place]) == rank
        assert (found[place] - expected).norm() <= 1e-6 * vectors[place].norm()


@pytest.mark.parametrize("zero_diagonal", [True, False])
@pytest.mark.parametrize("shape", [(130, 130), (200, 129)])
def test_agrees_with_one_matrix_at_a_time(shape, zero_diagonal):
    generator = torch.Generator().manual_seed(0)
    accumulators, vectors = torch.randn(2, 2, *shape, generator=generator)
    found, ranks = project_out_stack(accumulators, vectors, alpha=0.5, zero_diagonal=zero_diagonal)
    for place in range(2):
        one, rank = project_out(accumulators[place], vectors[place], alpha=0.5, zero_diagonal=zero_diagonal)
        assert int(ranks[place]) == rank
        assert (found[place] - one).norm() <= 2e-6 * one.norm()


def test_a_zero_accumulator_removes_nothing():
    vectors = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0))
    found, ranks = project_out_stack(torch.zeros(2, 3, 4), vectors, alpha=1.0)
    assert torch.equal(found, vectors)
    assert ranks.tolist() == [0, 0]


def test_shapes_that_do_not_fit():
    with pytest.raises(ValueError, match=r"of one shape, got \(2, 3, 4\) and \(2, 4, 3\)"):
        project_out_stack(torch.zeros(2, 3, 4), torch.zeros(2, 4, 3), alpha=0.5)
    with pytest.raises(ValueError, match="stacks of matrices"):
        project_out_stack(torch.zeros(3, 4), torch.zeros(3, 4), alpha=0.5)
