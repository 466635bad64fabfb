"""Units of tensors permuted, clustered and merged."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fusion_bench.functional.permutation import Matching, Member, map_units, merge_tensors, permute_units

PAIRS = Matching(torch.tensor([[0, 0, 1], [1, 2, 2]]))  # two models with three units each


def test_a_merged_unit_is_the_mean_where_it_is_made_and_reads_the_sum():
    first, second = torch.tensor([[2.0, 4.0, 6.0]]), torch.tensor([[8.0, 10.0, 20.0]])
    made = merge_tensors([first.T, second.T], [(Member("w", 0), PAIRS)], [0.5, 0.5])
    assert made.flatten().tolist() == [3.0, 7.0, 15.0]
    read = merge_tensors([first, second], [(Member("w", 1, "in"), PAIRS)], [0.5, 0.5])
    assert read.flatten().tolist() == [3.0, 7.0, 15.0]


def test_weights_count_in_the_mean_of_a_cluster():
    column = torch.tensor([[1.0], [2.0], [4.0]])
    made = merge_tensors([column, 10 * column], [(Member("w", 0), PAIRS)], [0.25, 0.75])
    assert made.flatten().tolist() == [1.5, (0.25 * 4 + 0.75 * 10) / 1.0, 30.0]


def test_permutations_follow_the_gather_convention():
    permutation = torch.tensor([2, 0, 1])
    matching = Matching.from_permutations([torch.arange(3), permutation])
    assert matching.is_permutation
    assert matching.permutation(1).tolist() == [2, 0, 1]
    tensor = torch.tensor([[1.0, 2.0, 3.0]])
    assert map_units(tensor, Member("w", 1, "in"), matching.clusters[1]).tolist() == [[3.0, 1.0, 2.0]]
    assert permute_units(tensor, Member("w", 1), permutation).tolist() == [[3.0, 1.0, 2.0]]
    assert not PAIRS.is_permutation
    with pytest.raises(ValueError, match="clusters units"):
        PAIRS.permutation(0)


def test_slices_and_runs_of_indices():
    tensor = torch.arange(8.0)
    swap = torch.tensor([1, 0])
    assert map_units(tensor, Member("w", 0, start=2, stop=4), swap).tolist() == [0, 1, 3, 2, 4, 5, 6, 7]
    assert map_units(tensor, Member("w", 0, expand=4), swap).tolist() == [4, 5, 6, 7, 0, 1, 2, 3]
    assert map_units(tensor, Member("w", -1, start=4, expand=2), swap).tolist() == [0, 1, 2, 3, 6, 7, 4, 5]
    assert tensor.tolist() == list(range(8))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 3), st.integers(1, 6))
def test_merging_is_the_matrix_product_of_the_papers(seed, models, units):
    generator = torch.Generator().manual_seed(seed)
    owner = torch.randint(units, (models * units,), generator=generator)
    owner[torch.randperm(models * units, generator=generator)[:units]] = torch.arange(units)
    matching = Matching(owner.view(models, units))
    tensors = [torch.randn(units, units, dtype=torch.float64, generator=generator) for _ in range(models)]
    weights = [1 / models] * models
    merged = merge_tensors(tensors, [(Member("w", 0), matching), (Member("w", 1, "in"), matching)], weights)
    unmerge = matching.unmerge()
    merge = unmerge / unmerge.sum(dim=0)
    parts = zip(merge.split(units), tensors, unmerge.split(units), strict=True)
    torch.testing.assert_close(merged, sum(m.T @ tensor @ u for m, tensor, u in parts))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 7))
def test_undoing_a_permutation_gives_the_tensor_back(seed, units):
    generator = torch.Generator().manual_seed(seed)
    tensor = torch.randn(2, units, generator=generator)
    permutation = torch.randperm(units, generator=generator)
    member = Member("w", 1)
    assert torch.equal(permute_units(permute_units(tensor, member, permutation), member, permutation.argsort()), tensor)


def test_wrong_members():
    with pytest.raises(ValueError, match="role of 'w' must be one of out, in, stat; got 'into'"):
        Member("w", 0, "into")
    with pytest.raises(ValueError, match="expand of 'w' must be at least 1, got 0"):
        Member("w", 0, expand=0)
