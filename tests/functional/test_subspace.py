"""Checks the OPCM projection against a singular value decomposition in float64 with full matrices."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fusion_bench.functional import removal, subspace
from fusion_bench.functional.eigensystem import TORCH
from fusion_bench.functional.removal import component_in_float32, component_in_float64, subtract
from fusion_bench.functional.subspace import defined_rank, project_out, split_rank
from fusion_bench.utils.lapack import LAPACK

TOLERANCE = 1e-6  # share of the largest singular value at or below which a direction is undefined


def full_svd_recipe(accumulator, task_vector, alpha, zero_diagonal, dtype):
    """The definition, word by word, in ``dtype``: full U and V, P with its entries set to zero, and back."""
    u, s, vh = torch.linalg.svd(accumulator.to(dtype), full_matrices=True)
    defined = int((s > TOLERANCE * s[0]).sum())
    rank = defined if alpha == 1 else min(defined, int((s.cumsum(0) <= alpha * s.sum()).sum()))
    p = u.T @ task_vector.to(dtype) @ vh.T
    p[:rank, :rank] = 0
    if zero_diagonal:
        p.diagonal()[:defined] = 0
    return u @ p @ vh, rank


def matrix(shape, spectrum, generator):
    """A random float32 matrix with the given singular values."""
    count = min(shape)
    left, right = (
        torch.linalg.qr(torch.randn(size, count, dtype=torch.float64, generator=generator))[0] for size in shape
    )
    return ((left * spectrum) @ right.T).float()


def spectrum(kind, count):
    """Singular values, largest first; the names say how they fall."""
    steps = torch.arange(count, dtype=torch.float64) / count
    return {
        "exponential": torch.exp(-5 * steps),
        "power": 1 / torch.sqrt(1 + count * steps),
        "linear": 1 - 0.99 * steps,
        "quadratic": (1 - steps) ** 2,  # the last ones far below their neighbours
        "ill-conditioned": 10 ** (-7 * steps),
        "low rank": torch.where(steps < 0.4, 1 - steps, 0.0),
        "spiked": torch.where(steps < 0.1, 100 - 50 * steps, torch.exp(-steps)),
        "two levels": torch.where(steps < 0.3, 1 - steps, 1e-5 * (1 - 0.5 * steps)),
    }[kind]


KINDS = ["exponential", "power", "linear", "quadratic", "ill-conditioned", "low rank", "spiked", "two levels"]


def relative_error(result, expected, task_vector):
    return float((result.double() - expected).norm() / task_vector.double().norm())


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    shape=st.tuples(st.integers(1, 60), st.integers(1, 60)),
    kind=st.sampled_from(KINDS),
    alpha=st.floats(0, 1),
    zero_diagonal=st.booleans(),
    seed=st.integers(0, 1 << 30),
)
def test_is_at_least_as_accurate_as_a_float32_svd(shape, kind, alpha, zero_diagonal, seed):
    check_accuracy(shape, kind, alpha, zero_diagonal, seed)


@pytest.mark.parametrize("solver", [TORCH, LAPACK])
@pytest.mark.parametrize("zero_diagonal", [True, False])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(130, 130), (129, 200), (190, 128)])
def test_is_at_least_as_accurate_with_float32_products(monkeypatch, shape, kind, zero_diagonal, solver):
    monkeypatch.setattr(subspace, "_SMALL", 0)
    check_accuracy(shape, kind, 0.6, zero_diagonal, 0, solver)


@pytest.mark.parametrize("share", [0.4, 0.7, 1.0])
@pytest.mark.parametrize("kind", ["power", "linear", "spiked"])
@pytest.mark.parametrize("shape", [(130, 130), (280, 129)])
def test_is_as_accurate_where_much_is_removed(monkeypatch, shape, kind, share):
    monkeypatch.setattr(subspace, "_SMALL", 0)
    check_accuracy(shape, kind, 0.6, True, 0, LAPACK, share=share)


@pytest.mark.parametrize("kind", ["power", "linear", "ill-conditioned", "low rank"])
def test_is_as_accurate_with_a_float32_gram_matrix(monkeypatch, kind):
    monkeypatch.setattr(subspace, "_MANY", 256)
    monkeypatch.setattr(subspace, "_SMALL", 0)
    check_accuracy((257, 780), kind, 0.6, True, 0, LAPACK)


@pytest.mark.parametrize(("smallest", "serves"), [(1.0, True), (0.02, True), (0.005, False), (1e-9, False)])
def test_an_ill_conditioned_gram_matrix_is_told_without_its_eigenvalues(smallest, serves):
    values = torch.ones(200, dtype=torch.float64)
    values[-1] = smallest
    basis, _ = torch.linalg.qr(torch.randn(200, 200, generator=torch.Generator().manual_seed(0)).double())
    gram = (basis * values @ basis.T).triu() + torch.full((200, 200), float("nan")).double().tril(-1)
    assert subspace._is_well_conditioned(gram) is serves


@pytest.mark.parametrize("zero_diagonal", [True, False])
@pytest.mark.parametrize("shape", [(192, 192), (192, 1600)])
def test_products_come_in_few_shapes(monkeypatch, zero_diagonal, shape):
    """oneDNN keeps the code it makes for each: whatever the ranks, memory must not grow with the number of steps."""
    monkeypatch.setattr(subspace, "_SMALL", 0)
    seen, made = set(), []

    def product(left, right):
        seen.add((tuple(left.shape), tuple(right.shape)))
        made.append(left)
        return left @ right

    monkeypatch.setattr(removal, "product", product)
    generator = torch.Generator().manual_seed(0)
    ranks = set()
    for kind in ["exponential", "power", "linear", "spiked"]:
        accumulator = matrix(shape, spectrum(kind, min(shape)), generator)
        task_vector = torch.randn(shape, generator=generator)
        for alpha in torch.linspace(0.05, 0.95, 19).tolist():
            ranks.add(project_out(accumulator, task_vector, alpha=alpha, zero_diagonal=zero_diagonal, solver=LAPACK)[1])
    assert len(ranks) > 40
    assert len(seen) <= 16
    assert len(made) > 200


@pytest.mark.parametrize("solver", [TORCH, LAPACK])
@pytest.mark.parametrize("zero_diagonal", [True, False])
@pytest.mark.parametrize("shape", [(130, 800), (1700, 130)])
@pytest.mark.parametrize("kind", ["quadratic", "ill-conditioned", "two levels", "low rank"])
def test_long_matrices_with_weak_directions(monkeypatch, kind, shape, zero_diagonal, solver):
    monkeypatch.setattr(subspace, "_SMALL", 0)
    check_accuracy(shape, kind, 0.4, zero_diagonal, 3, solver)


def check_accuracy(shape, kind, alpha, zero_diagonal, seed, solver=TORCH, share=0.0):
    """``share`` of the task vector is the accumulator itself, the rest is random."""
    generator = torch.Generator().manual_seed(seed)
    accumulator = matrix(shape, spectrum(kind, min(shape)), generator)
    task_vector = torch.randn(shape, generator=generator)
    task_vector = (1 - share) * task_vector / task_vector.norm() + share * accumulator / accumulator.norm()
    before = accumulator.clone(), task_vector.clone()
    projected, rank = project_out(accumulator, task_vector, alpha=alpha, zero_diagonal=zero_diagonal, solver=solver)
    exact, exact_rank = full_svd_recipe(accumulator, task_vector, alpha, zero_diagonal, torch.float64)
    single, _ = full_svd_recipe(accumulator, task_vector, alpha, zero_diagonal, torch.float32)
    assert projected.shape == task_vector.shape
    assert projected.is_contiguous()
    assert torch.equal(before[0], accumulator)
    assert torch.equal(before[1], task_vector)
    if rank != exact_rank:  # only where the cumulative sum meets α, or a value meets the tolerance, to rounding
        assert abs(rank - exact_rank) == 1
        assert on_the_edge(accumulator, alpha, max(rank, exact_rank))
        return
    # The last bit of the result is out of reach: one rounding to float32 per entry.
    assert relative_error(projected, exact, task_vector) <= max(
        relative_error(single, exact, task_vector), torch.finfo(torch.float32).eps / 2
    )


def on_the_edge(accumulator, alpha, rank):
    s = torch.linalg.svdvals(accumulator.double())
    reached = abs(s[:rank].sum() - alpha * s.sum()) <= 1e-6 * s.sum()
    return bool(reached or abs(s[rank - 1] / s[0] - TOLERANCE) <= 1e-7)


def test_by_hand():
    accumulator = torch.diag(torch.tensor([3.0, 2.0, 1.0]))
    task_vector = torch.arange(1.0, 10.0).reshape(3, 3)
    expected = task_vector.clone()
    expected[0, 0] = 0
    projected, rank = project_out(accumulator, task_vector, alpha=0.5, zero_diagonal=False)
    assert rank == 1  # 3 <= 0.5 * 6: the share that is met exactly is protected
    torch.testing.assert_close(projected, expected)
    expected.fill_diagonal_(0)
    torch.testing.assert_close(project_out(accumulator, task_vector, alpha=0.5)[0], expected)


@pytest.mark.parametrize(
    ("alpha", "rank"), [(0.0, 0), (0.39, 0), (0.4, 1), (0.69, 1), (0.7, 2), (0.9, 3), (0.999, 3), (1.0, 4)]
)
def test_split_rank(alpha, rank):
    assert split_rank(torch.tensor([4.0, 3.0, 2.0, 1.0]), alpha) == rank


def test_split_rank_of_deficient_and_of_no_values():
    assert split_rank(torch.tensor([1.0, 0.5, 1e-9, 0.0]), 1.0) == 2
    assert split_rank(torch.tensor([1.0, 1.0, 0.0]), 0.5) == 1
    assert split_rank(torch.zeros(3), 1.0) == 0
    assert defined_rank(torch.zeros(0)) == 0


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("zero_diagonal", [True, False])
@pytest.mark.parametrize("shape", [(4, 4), (1, 5), (5, 1), (3, 0), (200, 300)])
def test_a_zero_accumulator_removes_nothing(shape, zero_diagonal, alpha):
    task_vector = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    projected, rank = project_out(torch.zeros(shape), task_vector, alpha=alpha, zero_diagonal=zero_diagonal)
    assert rank == 0
    assert torch.equal(projected, task_vector)
    assert projected is not task_vector


def test_alpha_0_without_the_diagonal_removes_nothing():
    generator = torch.Generator().manual_seed(0)
    accumulator, task_vector = torch.randn(2, 6, 9, generator=generator)
    projected, rank = project_out(accumulator, task_vector, alpha=0.0, zero_diagonal=False)
    assert rank == 0
    assert torch.equal(projected, task_vector)


@pytest.mark.parametrize("solver", [TORCH, LAPACK])
@pytest.mark.parametrize("shape", [(12, 12), (12, 30), (30, 12), (150, 150), (1, 7), (7, 1)])
def test_alpha_1_protects_everything_the_accumulator_spans(shape, solver):
    generator = torch.Generator().manual_seed(0)
    count = min(shape)
    accumulator = matrix(shape, spectrum("low rank", count), generator)
    task_vector = torch.randn(shape, generator=generator)
    projected, rank = project_out(accumulator, task_vector, alpha=1.0, solver=solver)
    assert rank == int((spectrum("low rank", count) > 0).sum())
    u, _, vh = torch.linalg.svd(accumulator.double(), full_matrices=False)
    block = u[:, :rank].T @ projected.double() @ vh[:rank].T
    assert float(block.abs().max()) < 1e-5
    assert float((accumulator * projected).sum().abs()) < 1e-4


@pytest.mark.parametrize("zero_diagonal", [True, False])
@pytest.mark.parametrize("shape", [(20, 20), (20, 50), (50, 20)])
def test_the_protected_block_is_empty_and_projecting_again_changes_nothing(shape, zero_diagonal):
    generator = torch.Generator().manual_seed(1)
    accumulator, task_vector = torch.randn(2, *shape, generator=generator)
    projected, rank = project_out(accumulator, task_vector, alpha=0.6, zero_diagonal=zero_diagonal)
    u, _, vh = torch.linalg.svd(accumulator.double(), full_matrices=False)
    coordinates = u.T @ projected.double() @ vh.T
    assert 0 < rank < 20
    assert float(coordinates[:rank, :rank].abs().max()) < 1e-5
    if zero_diagonal:
        assert float(coordinates.diagonal().abs().max()) < 1e-5
    again, _ = project_out(accumulator, projected, alpha=0.6, zero_diagonal=zero_diagonal)
    torch.testing.assert_close(again, projected)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_the_dtype_is_that_of_the_task_vector(dtype):
    generator = torch.Generator().manual_seed(0)
    accumulator, task_vector = torch.randn(2, 8, 5, generator=generator)
    projected, _ = project_out(accumulator.to(dtype), task_vector.to(dtype), alpha=0.5)
    exact, _ = full_svd_recipe(accumulator.to(dtype), task_vector.to(dtype), 0.5, True, torch.float64)
    assert projected.dtype == dtype
    torch.testing.assert_close(projected, exact.to(dtype))


def test_rejects_what_is_no_pair_of_matrices():
    with pytest.raises(ValueError, match=r"matrices of one shape, got \(3, 4\) and \(4, 3\)"):
        project_out(torch.zeros(3, 4), torch.zeros(4, 3), alpha=0.5)
    with pytest.raises(ValueError, match="matrices of one shape"):
        project_out(torch.zeros(3), torch.zeros(3), alpha=0.5)


@pytest.mark.parametrize("solver", [TORCH, LAPACK])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("kind", ["power", "quadratic", "low rank"])
@pytest.mark.parametrize("share", [0.0, 0.8])
@pytest.mark.parametrize("shape", [(5, 8), (300, 300), (1000, 280), (280, 1000)])
def test_the_result_may_take_the_place_of_the_task_vector(shape, share, kind, dtype, solver):
    generator = torch.Generator().manual_seed(0)
    accumulator = matrix(shape, spectrum(kind, min(shape)), generator)
    task_vector = torch.randn(shape, generator=generator)
    task_vector = ((1 - share) * task_vector / task_vector.norm() + share * accumulator / accumulator.norm()).to(dtype)
    accumulator = accumulator.to(dtype)
    expected, rank = project_out(accumulator, task_vector, alpha=0.6, solver=solver)
    again, same_rank = project_out(accumulator, task_vector, alpha=0.6, solver=solver, out=task_vector)
    assert again is task_vector
    assert torch.equal(again, expected)
    assert rank == same_rank


@pytest.mark.parametrize("zero_diagonal", [True, False])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(150, 150), (150, 900)])
@pytest.mark.parametrize(
    ("component", "dtype"), [(component_in_float32, torch.float32), (component_in_float64, torch.float64)]
)
def test_how_much_is_removed_is_known_before(shape, kind, zero_diagonal, component, dtype):
    generator = torch.Generator().manual_seed(0)
    accumulator = matrix(shape, spectrum(kind, min(shape)), generator)
    vector = torch.randn(shape, generator=generator) + 100 * accumulator
    directions = subspace._directions(accumulator, LAPACK, 0.6, zero_diagonal, dtype)
    found = component(directions, vector)
    left = torch.empty_like(vector)
    subtract(vector, found, left)
    removed = float((vector - left).double().square().sum())
    assert found.square == pytest.approx(removed, rel=1e-4)
    assert found.square + float(left.double().square().sum()) == pytest.approx(
        float(vector.double().square().sum()), rel=1e-4
    )
