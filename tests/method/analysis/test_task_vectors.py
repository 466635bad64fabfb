"""Norms, angles and singular values of task vectors."""

import json

import numpy as np
import pytest
import torch
from helpers import same_tensors
from safetensors.torch import load_file
from torch import nn

from fusion_bench.method.analysis import TaskVectorAnalysis
from fusion_bench.method.analysis.task_vectors import cosines, singular_values
from fusion_bench.modelpool import BaseModelPool
from fusion_bench.runtime import Runtime


class Net(nn.Module):
    """Two linear layers, one with fewer rows than columns, and a parameter that belongs to neither."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.scale = nn.Parameter(torch.randn(4))
            self.first = nn.Linear(4, 6)
            self.second = nn.Linear(6, 3, bias=False)


MODELS = {"_pretrained_": Net(0), "a": Net(1), "b": Net(2), "same": Net(0)}


def vector(name):
    """A task vector as numpy sees it."""
    base = MODELS["_pretrained_"].state_dict()
    flat = [(t - base[key]).double().flatten().numpy() for key, t in MODELS[name].state_dict().items()]
    return np.concatenate(flat)


def test_numbers_agree_with_numpy():
    found = TaskVectorAnalysis().measure(MODELS, Runtime())
    assert list(found.norms) == ["a", "b", "same"]
    assert found.norms["a"] == pytest.approx(np.linalg.norm(vector("a")))
    a, b = vector("a"), vector("b")
    expected = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
    assert found.cosines[0][1] == pytest.approx(expected)
    assert found.cosines[1][0] == pytest.approx(expected)
    assert found.cosines[0][0] == pytest.approx(1)
    assert found.norms["same"] == 0
    assert found.cosines[2] == [None, None, None]  # a vector of zeros has no direction
    assert list(found.singular_values) == ["first.weight", "second.weight"]
    for layer, by_model in found.singular_values.items():
        difference = MODELS["a"].state_dict()[layer] - MODELS["_pretrained_"].state_dict()[layer]
        np.testing.assert_allclose(by_model["a"], np.linalg.svd(difference.double().numpy())[1], rtol=1e-9)
        assert not by_model["same"].any()


@pytest.mark.parametrize("shape", [(200, 150), (150, 200), (1, 5), (3, 3)])
def test_singular_values(shape):
    matrix = torch.randn(*shape, generator=torch.Generator().manual_seed(0))
    np.testing.assert_allclose(singular_values(matrix), np.linalg.svd(matrix.double().numpy())[1], rtol=1e-7)


def test_cosines_stay_in_their_range():
    products = torch.tensor([[1.0, 1.0 + 1e-9], [1.0 + 1e-9, 1.0]], dtype=torch.float64)
    assert cosines(products) == [[1.0, 1.0], [1.0, 1.0]]


def test_files(tmp_path):
    before = {name: {key: t.clone() for key, t in net.state_dict().items()} for name, net in MODELS.items()}
    returned = TaskVectorAnalysis().run(MODELS, Runtime(log_dir=tmp_path))
    assert same_tensors(returned.state_dict(), before["_pretrained_"])
    assert returned is not MODELS["_pretrained_"]
    assert all(same_tensors(net.state_dict(), before[name]) for name, net in MODELS.items())
    entries = json.loads((tmp_path / "task_vectors.json").read_text())
    assert entries["models"] == ["a", "b", "same"]
    assert entries["cosine_similarity"][2] == [None, None, None]
    assert entries["layers"] == ["first.weight", "second.weight"]
    stored = load_file(tmp_path / "task_vectors.safetensors")
    assert stored["singular_values/b/second.weight"].shape == (3,)
    assert len(stored) == 6
    pictures = sorted(path.name for path in tmp_path.iterdir() if path.suffix in {".png", ".pdf"})
    stems = ["cosine_similarity", "singular_values", "task_vector_norms"]
    assert pictures == [f"{stem}.{ending}" for stem in stems for ending in ("pdf", "png")]


def test_some_models_some_layers():
    method = TaskVectorAnalysis(models=["b"], layers=["sec*"])
    found = method.measure(MODELS, Runtime())
    assert list(found.norms) == ["b"]
    assert list(found.singular_values) == ["second.weight"]
    assert method.loaded_names(BaseModelPool(MODELS)) == ["_pretrained_", "b"]


@pytest.mark.parametrize(("drawn", "titles"), [(1, ["first"]), (2, ["first", "second"]), (9, ["first", "second"])])
def test_layers_that_are_drawn(drawn, titles):
    method = TaskVectorAnalysis(drawn=drawn)
    figure = method.figures(method.measure(MODELS, Runtime()))["singular_values"]
    assert [axes.get_title() for axes in figure.axes if axes.get_visible()] == titles


@pytest.mark.parametrize(
    ("method", "models", "error", "message"),
    [
        ({}, {"a": Net(1)}, ValueError, "needs the pretrained model under the name '_pretrained_'"),
        ({}, {"_pretrained_": Net(0)}, ValueError, "takes models; the pool has"),
        ({"models": ["z"]}, MODELS, KeyError, "no model 'z'"),
        ({"models": ["_pretrained_"]}, MODELS, ValueError, "'_pretrained_' has no task vector"),
        ({"layers": ["third*"]}, MODELS, ValueError, r"fits the pattern 'third\*'.*first.weight"),
    ],
)
def test_errors(method, models, error, message):
    with pytest.raises(error, match=message):
        TaskVectorAnalysis(**method).run(models)


def test_wrong_option():
    with pytest.raises(ValueError, match="drawn must be at least 1, got 0"):
        TaskVectorAnalysis(drawn=0)
