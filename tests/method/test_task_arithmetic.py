"""Task arithmetic."""

import pytest
import torch
from helpers import make_models, same_tensors

from fusion_bench.method.opcm.task_arithmetic import ContinualTaskArithmetic
from fusion_bench.method.task_arithmetic import TaskArithmetic


@pytest.mark.parametrize("scaling_factor", [0.0, 0.3, -1.0])
def test_formula(scaling_factor):
    models = make_models(["_pretrained_", "a", "b"])
    merged = TaskArithmetic(scaling_factor=scaling_factor).run(models).state_dict()
    origin, a, b = ({k: v.double() for k, v in model.state_dict().items()} for model in models.values())
    for name, tensor in merged.items():
        expected = origin[name] + scaling_factor * (a[name] + b[name] - 2 * origin[name])
        torch.testing.assert_close(tensor.double(), expected, rtol=1e-6, atol=1e-7)


def test_one_model_with_factor_one_comes_back():
    models = make_models(["_pretrained_", "a"])
    merged = TaskArithmetic(scaling_factor=1.0).run(models).state_dict()
    for name, tensor in models["a"].state_dict().items():
        torch.testing.assert_close(merged[name], tensor, rtol=1e-6, atol=1e-7)


def test_zero_task_vectors():
    models = make_models(["_pretrained_", "a"])
    models["a"].load_state_dict(models["_pretrained_"].state_dict())
    assert same_tensors(TaskArithmetic().run(models).state_dict(), models["a"].state_dict())


def test_the_continual_method_ends_at_the_same_model():
    models = make_models()
    at_once, continual = TaskArithmetic().run(models), ContinualTaskArithmetic(seed=0).run(models)
    for left, right in zip(at_once.parameters(), continual.parameters(), strict=True):
        torch.testing.assert_close(left, right, rtol=1e-5, atol=1e-6)
