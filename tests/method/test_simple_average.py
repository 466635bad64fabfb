"""Simple average."""

import pytest
import torch
from helpers import make_models, same_tensors

from fusion_bench.method.simple_average import SimpleAverage


@pytest.mark.parametrize("names", [["a", "b", "c"], ["_pretrained_", "a", "b", "c"]])
def test_mean_with_and_without_a_pretrained_model(names):
    models = make_models(names)
    merged = SimpleAverage().run(models).state_dict()
    for name, tensor in merged.items():
        mean = sum(models[model].state_dict()[name].double() for model in "abc") / 3
        torch.testing.assert_close(tensor.double(), mean, rtol=1e-6, atol=1e-7)


def test_one_model_comes_back():
    models = make_models(["a"])
    assert same_tensors(SimpleAverage().run(models).state_dict(), models["a"].state_dict())


def test_a_list_of_modules():
    models = make_models(["a", "b"])
    by_name, by_position = SimpleAverage().run(models), SimpleAverage().run(list(models.values()))
    assert same_tensors(by_name.state_dict(), by_position.state_dict())
