"""Weighted average."""

import math

import pytest
import torch
from helpers import make_models
from omegaconf import OmegaConf

from fusion_bench.method.weighted_average import WeightedAverage, weights_in_order


@pytest.mark.parametrize("names", [["a", "b"], ["_pretrained_", "a", "b"]])
@pytest.mark.parametrize("weights", [[3, 1.0], {"b": 1, "a": 3.0}])
@pytest.mark.parametrize(("normalize", "factors"), [(True, (0.75, 0.25)), (False, (3.0, 1.0))])
def test_weighted_sum(names, weights, normalize, factors):
    models = make_models(names)
    merged = WeightedAverage(weights=weights, normalize=normalize).run(models).state_dict()
    a, b = models["a"].state_dict(), models["b"].state_dict()
    for name, tensor in merged.items():
        expected = factors[0] * a[name].double() + factors[1] * b[name].double()
        torch.testing.assert_close(tensor.double(), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1.0], r"1 weights were given for 2 models: \['a', 'b'\]"),
        ({"a": 1.0, "c": 2.0}, r"name each model once: \['a', 'b'\]; unknown are \['c'\], without weight \['b'\]"),
        ([1.0, math.nan], "the weight of 'b' must be a finite number, got nan"),
        (["1", 2.0], "the weight of 'a' must be a finite number, got '1'"),
        ([1.0, -1.0], "weights that sum to zero cannot be normalised"),
    ],
)
def test_weights_that_do_not_fit(weights, message):
    with pytest.raises(ValueError, match=message):
        WeightedAverage(weights=weights).run(make_models(["a", "b"]))


@pytest.mark.parametrize("weights", ["ab", 1.0, None])
def test_weights_of_a_wrong_type(weights):
    with pytest.raises(TypeError, match="weights must be a list or a mapping by model name, got"):
        weights_in_order(weights, ["a", "b"])


@pytest.mark.parametrize("weights", [[3, 1.0], {"b": 1, "a": 3.0}])
def test_weights_of_a_configuration(weights):
    assert weights_in_order(OmegaConf.create(weights), ["a", "b"]) == [3, 1.0]


def test_weights_have_no_default():
    with pytest.raises(TypeError, match="weights"):
        WeightedAverage()
