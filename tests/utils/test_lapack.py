import pytest
import torch

from fusion_bench.utils.lapack import _call, lapack_eigensystem


@pytest.mark.parametrize("size", [1, 5, 127, 128, 200])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("rank_share", [1.0, 0.3, 0.0])
def test_eigenvectors_solve_the_matrix(size, dtype, rank_share):
    generator = torch.Generator().manual_seed(size)
    factor = torch.randn(size, max(1, int(rank_share * size)), dtype=torch.float64, generator=generator)
    matrix = factor @ factor.T * bool(rank_share)
    noise = torch.full_like(matrix, float("nan")).tril(-1)  # below the diagonal nothing is read
    system = lapack_eigensystem(matrix.triu() + noise)
    precision = 1e-12 if dtype == torch.float64 else 1e-5
    assert bool((system.values.diff() <= 0).all())
    for first, last in ((0, size), (0, size // 2), (size // 3, size)):
        vectors = system.vectors(first, last, dtype)
        assert vectors.shape == (size, last - first)
        assert vectors.dtype == dtype
        exact = vectors.double()
        scale = max(1.0, float(system.values.abs().max()))
        assert float((matrix @ exact - exact * system.values[first:last]).abs().max() if last > first else 0) <= (
            precision * scale
        )
        identity = torch.eye(last - first, dtype=torch.float64)
        torch.testing.assert_close(exact.T @ exact, identity, atol=10 * precision, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("spectrum", ["apart", "equal", "close", "zero tail", "pairs"])
def test_leading_eigenvectors_are_orthogonal_whatever_the_spectrum(spectrum, dtype):
    size, wanted = 150, 40
    values = {
        "apart": torch.linspace(2, 1e-3, size),
        "equal": torch.ones(size),
        "close": 1 + 1e-12 * torch.arange(size).flip(0),
        "zero tail": torch.cat([torch.linspace(2, 1, wanted), torch.zeros(size - wanted)]),
        "pairs": torch.linspace(2, 1, size // 2).repeat_interleave(2),
    }[spectrum].double()
    generator = torch.Generator().manual_seed(0)
    basis, _ = torch.linalg.qr(torch.randn(size, size, dtype=torch.float64, generator=generator))
    matrix = basis * values @ basis.T
    system = lapack_eigensystem(matrix.clone(), leading=True)
    vectors = system.vectors(0, wanted, dtype).double()
    precision = 1e-12 if dtype == torch.float64 else 1e-5
    torch.testing.assert_close(system.values, values, atol=1e-13, rtol=0)
    torch.testing.assert_close(vectors.T @ vectors, torch.eye(wanted).double(), atol=10 * precision, rtol=0)
    torch.testing.assert_close(matrix @ vectors, vectors * values[:wanted], atol=precision, rtol=0)


def test_a_failure_is_named():
    matrix = torch.eye(3, dtype=torch.float64)
    vector = torch.zeros(3, dtype=torch.float64)
    with pytest.raises(RuntimeError, match=r"dsytrd failed with info = -\d"):
        _call("dsytrd", b"L", -1, matrix, 3, vector, vector, vector, vector, 3)
