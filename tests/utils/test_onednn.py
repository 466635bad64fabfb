"""Linear layers by oneDNN."""

import pytest
import torch
from torch import nn

from fusion_bench.utils.onednn import FastLinear

SHAPES = [((3, 32), 16), ((17, 5, 48), 7), ((1, 1, 8), 1)]


@pytest.fixture
def make(request):
    def made(shape, out, dtype=torch.float32, bias=True):
        generator = torch.Generator().manual_seed(0)
        layer = nn.Linear(shape[-1], out, bias=bias, dtype=dtype)
        with torch.no_grad():
            for parameter in layer.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=generator))
        return layer.requires_grad_(False), torch.randn(shape, generator=generator).to(dtype)

    return made


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("shape", "out"), SHAPES)
def test_agrees_with_float64(make, shape, out, bias):
    layer, images = make(shape, out, bias=bias)
    exact = layer.double()(images.double())
    layer.float()
    with FastLinear({}):
        found = layer(images)
    assert found.shape == (*shape[:-1], out)
    torch.testing.assert_close(found.double(), exact, rtol=1e-5, atol=1e-5)


def test_rows_and_places_in_memory_make_no_difference(make):
    layer, images = make((64, 40), 24)
    shifted = torch.empty(64 * 40 + 1)[1:].view(64, 40)
    shifted.copy_(images)
    with FastLinear({}):
        whole = layer(images)
        assert torch.equal(layer(shifted), whole)
        assert torch.equal(torch.cat([layer(rows) for rows in images.split(5)]), whole)


def test_other_dtypes_vectors_and_mistakes_are_left_to_torch(make):
    layer, images = make((4, 6), 2, torch.float64)
    with FastLinear({}):
        assert torch.equal(layer(images), images @ layer.weight.T + layer.bias)
        assert layer.float()(images[0].float()).shape == (2,)
        with pytest.raises(RuntimeError, match="same dtype"):
            layer.float()(images.double())


def test_autocast_converts_a_frozen_weight_once(make):
    layer, images = make((4, 6), 2)
    converted = {}
    with torch.autocast("cpu", dtype=torch.bfloat16):
        expected = layer(images)
        with FastLinear(converted):
            found = layer(images)
            first = dict(converted)
            layer(images)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found, expected)
    assert len(converted) == 2  # weight and bias
    assert all(converted[key][1] is first[key][1] for key in first)
    with torch.autocast("cpu", dtype=torch.bfloat16), FastLinear({}), torch.autocast("cpu", enabled=False):
        assert layer(images).dtype == torch.float32
