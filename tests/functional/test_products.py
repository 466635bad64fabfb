"""Products of matrices."""

import pytest
import torch

from fusion_bench.functional.products import product


@pytest.mark.parametrize("shape", [(3, 5, 4), (1, 7, 1), (64, 40, 33), (5, 1, 6)])
@pytest.mark.parametrize("layout", ["rows", "columns", "strided"])
def test_agrees_with_float64_in_any_layout(shape, layout):
    generator = torch.Generator().manual_seed(0)
    first, inner, second = shape
    left, right = torch.randn(first, inner, generator=generator), torch.randn(inner, second, generator=generator)
    if layout == "columns":
        left, right = left.T.contiguous().T, right.T.contiguous().T
    if layout == "strided":
        left, right = left.repeat(2, 2)[::2, :inner], right.repeat(2, 2)[:inner, :second]
        right = right.clone()[:, :second]
    expected = left.double() @ right.double()
    torch.testing.assert_close(product(left, right).double(), expected, rtol=1e-5, atol=1e-5)


def test_other_dtypes_are_torchs():
    left, right = torch.eye(2, dtype=torch.float64), torch.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=torch.float64)
    assert torch.equal(product(left, right), right)
    assert product(left.half(), right.half()).dtype == torch.float16


def test_what_does_not_fit_is_refused():
    with pytest.raises(RuntimeError):
        product(torch.ones(2, 3), torch.ones(2, 3))


def test_inner_size_zero():
    assert torch.equal(product(torch.ones(2, 0), torch.ones(0, 3)), torch.zeros(2, 3))
    assert product(torch.ones(0, 4), torch.ones(4, 3)).shape == (0, 3)
