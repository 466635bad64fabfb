"""Weighted sums of task vectors."""

import pytest
import torch

from fusion_bench.functional.linear import add_scaled, add_to_base, linear_merge, normalise


def test_add_scaled_makes_a_new_tensor():
    total, vector = torch.tensor([1.0]), torch.tensor([2.0])
    assert add_scaled(total, vector, 0.5).tolist() == [2.0]
    assert add_scaled(None, vector, 0.5).tolist() == [1.0]
    assert add_scaled(None, vector) is not vector
    assert (total.tolist(), vector.tolist()) == ([1.0], [2.0])


def test_linear_merge_by_hand():
    base = {"w": torch.tensor([1.0, 2.0])}
    models = [{"w": torch.tensor([2.0, 2.0])}, {"w": torch.tensor([1.0, 6.0])}]
    assert linear_merge(models, base, [1.0, 0.5], "w").tolist() == [2.0, 4.0]
    assert linear_merge(models, base, [1.0, 0.5], "w", base_factor=1.5).tolist() == [2.5, 5.0]  # Σ wᵢ θᵢ
    assert linear_merge([], base, [], "w").tolist() == [1.0, 2.0]


def test_bfloat16_is_rounded_once():
    base = {"w": torch.tensor([1.0], dtype=torch.bfloat16)}
    models = [{"w": torch.tensor([1.0078125], dtype=torch.bfloat16)}] * 4  # one step of bfloat16 above 1
    merged = linear_merge(models, base, [0.25] * 4, "w")
    assert merged.dtype == torch.bfloat16
    assert float(merged) == 1.0078125
    assert add_to_base(base["w"], torch.tensor([0.005])).dtype == torch.bfloat16


def test_normalise():
    assert normalise([1.0, 3.0]) == [0.25, 0.75]
    with pytest.raises(ValueError, match=r"weights that sum to zero cannot be normalised: \[1\.0, -1\.0\]"):
        normalise([1.0, -1.0])
