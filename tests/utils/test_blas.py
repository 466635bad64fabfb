import pytest
import torch

from fusion_bench.functional.eigensystem import gram_upper
from fusion_bench.utils.blas import blas_gram


@pytest.mark.parametrize("gram", [gram_upper, blas_gram])
@pytest.mark.parametrize("layout", ["rows", "columns", "part of rows", "part of columns", "every second"])
@pytest.mark.parametrize("shape", [(5, 9), (128, 1), (130, 0), (300, 300), (200, 2500)])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_the_upper_triangle_is_that_of_the_product(gram, layout, shape, dtype):
    generator = torch.Generator().manual_seed(0)
    rows, columns = shape
    tensor = torch.randn(2 * rows + 3, 2 * columns + 3, dtype=torch.float64, generator=generator).to(dtype)
    matrix = {
        "rows": tensor[:rows, :columns].contiguous(),
        "columns": tensor[:rows, :columns].T.contiguous().T,
        "part of rows": tensor[3 : rows + 3, 3 : columns + 3],
        "part of columns": tensor.T.contiguous().T[3 : rows + 3, 3 : columns + 3],
        "every second": tensor[:-1:2, :-1:2][:rows, :columns],
    }[layout]
    expected = (matrix.double() @ matrix.double().T).triu()
    length = max(1.0, float(expected.diagonal().max()))
    for products, precision in ((torch.float64, 1e-14), (torch.float32, 2e-6)):
        found = gram(matrix, products)
        assert found.dtype == torch.float64
        torch.testing.assert_close(found.triu(), expected, rtol=0, atol=precision * length)
