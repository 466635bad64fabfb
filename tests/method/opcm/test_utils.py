import pytest
import torch
from torch import nn

from fusion_bench.method.opcm.utils import frobenius_inner_product, get_task_vector_norm, svd


@pytest.mark.parametrize("shape", [(4, 6), (6, 4), (5, 5)])
@pytest.mark.parametrize("accelerator", [None, "cpu"])
def test_svd_does_not_transpose_v(shape, accelerator):
    w = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    u, s, v = svd(w, accelerator=accelerator)
    assert u.shape == (shape[0], shape[0])
    assert v.shape == (shape[1], shape[1])
    count = min(shape)
    torch.testing.assert_close(u[:, :count] @ s.diag() @ v[:, :count].T, w)
    u, s, v = svd(w, full_matrices=False)
    assert (u.shape, v.shape) == ((shape[0], count), (shape[1], count))
    torch.testing.assert_close(u @ s.diag() @ v.T, w)


def test_svd_of_no_matrix():
    with pytest.raises(ValueError, match=r"w must be a matrix, got a tensor of shape \(3,\)"):
        svd(torch.zeros(3))


def test_frobenius_inner_product():
    w1, w2 = torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([[5.0, 6.0], [7.0, 8.0]])
    assert frobenius_inner_product(w1, w2).item() == 70
    with pytest.raises(ValueError, match=r"one shape, got \(2, 2\) and \(2, 1\)"):
        frobenius_inner_product(w1, w2[:, :1])


def test_task_vector_norm_is_over_all_floating_point_tensors():
    pretrained, model = nn.BatchNorm1d(2), nn.BatchNorm1d(2)
    with torch.no_grad():
        model.weight += 2
        model.running_mean += torch.tensor([1.0, 0.0])
        model.num_batches_tracked += 7
    assert get_task_vector_norm(model, pretrained).item() == pytest.approx(3)
