"""Correlations of weights and activations, against numpy and a published case."""

import pytest
import torch
from mudsc_oracle import arrays

from fusion_bench.functional.permutation import Matching, Member
from fusion_bench.functional.similarity import FeatureStatistics, dual, member_rows, row_correlation


def unit_rows(features):
    """``(images, units, positions)`` as ``(units, values)``."""
    return features.transpose(0, 1).reshape(features.shape[1], -1)


def published_batches():
    for batch in range(3):
        yield [arrays()[f"cov.feat{model}{batch}"] for model in "AB"]


def test_published_activation_correlation_with_a_dead_unit_and_batches_of_unequal_size():
    statistics = FeatureStatistics(cross=False)
    for features in published_batches():
        statistics.add([unit_rows(feature) for feature in features], len(features[0]))
    expected = arrays()["cov.correlation"]
    torch.testing.assert_close(statistics.correlation_(), expected, rtol=0, atol=1e-6)
    assert (expected == 0).all(dim=1).any()  # the dead unit


def test_the_block_between_two_models_is_the_same_without_the_rest():
    whole, cross = FeatureStatistics(cross=False), FeatureStatistics(cross=True)
    for features in published_batches():
        for statistics in (whole, cross):
            statistics.add([unit_rows(feature) for feature in features], len(features[0]))
    torch.testing.assert_close(cross.correlation_()[0], whole.correlation_()[:6, 6:])


def test_a_large_mean_costs_no_precision():
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(4, 600, generator=generator)
    statistics = FeatureStatistics(cross=True)
    for part in (rows + 3000.0).split(100, dim=1):
        statistics.add([part, part], 10)
    expected = torch.corrcoef((rows + 3000.0).double())
    torch.testing.assert_close(statistics.correlation_()[0].double(), expected, rtol=0, atol=1e-5)


def test_no_data():
    with pytest.raises(ValueError, match="no data was given"):
        FeatureStatistics(cross=True).correlation_()


@pytest.mark.parametrize("cross", [True, False])
def test_row_correlation_is_that_of_the_joined_columns(cross):
    generator = torch.Generator().manual_seed(1)
    parts = [[torch.randn(3, width, generator=generator) + 5 for _ in range(3)] for width in (4, 1, 6)]
    found = row_correlation(lambda: parts, cross=cross)
    joined = torch.cat([torch.cat([part[model] for part in parts], dim=1) for model in range(3)])
    expected = torch.corrcoef(joined.double()).float()
    if cross:
        expected = torch.stack([expected[:3, 3:6], expected[:3, 6:]])
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


def test_units_that_never_vary_correlate_with_nothing():
    rows = torch.tensor([[1.0, 2.0, 3.0], [4.0, 4.0, 4.0]])
    found = row_correlation(lambda: [[rows, rows]], cross=True)[0]
    assert found[0, 0] == pytest.approx(1.0)
    assert found[1].tolist() == [0.0, 0.0]


def test_nothing_to_compare():
    with pytest.raises(ValueError, match="no tensor holds the units"):
        row_correlation(list, cross=True)


def test_rows_of_a_tensor_in_the_merged_basis_of_its_other_axis():
    tensors = [torch.tensor([[1.0, 2.0, 3.0]]), torch.tensor([[4.0, 5.0, 6.0]])]
    pairs = Matching(torch.tensor([[0, 0, 1], [2, 2, 2]]))
    assert [rows.tolist() for rows in member_rows(tensors, Member("w", 0), [])] == [[[1, 2, 3]], [[4, 5, 6]]]
    read = member_rows(tensors, Member("w", 0), [(Member("w", 1, "in"), pairs)])
    torch.testing.assert_close(
        read, [torch.tensor([[3.0, 6, 0]]), torch.tensor([[0.0, 0, 10]])]
    )  # 2 / members times sums
    made = member_rows(tensors, Member("w", 0), [(Member("w", 1, "out"), pairs)])
    assert [rows.tolist() for rows in made] == [[[3, 3, 0]], [[0, 0, 15]]]


def test_rows_of_a_tensor_with_several_indices_a_unit():
    tensor = torch.arange(12.0).view(2, 6)
    (rows,) = member_rows([tensor], Member("w", 1, "in", expand=3), [])
    assert rows.tolist() == [[0, 6, 1, 7, 2, 8], [3, 9, 4, 10, 5, 11]]


def test_the_balance_of_both_spaces():
    weights, activations = torch.tensor([1.0]), torch.tensor([0.0])
    assert dual(weights, activations, 0.25).tolist() == [0.25]
    assert dual(None, activations, 0.25) is activations
    assert dual(weights, None, 0.25) is weights
    with pytest.raises(ValueError, match="neither weights nor activations"):
        dual(None, None, 0.5)
