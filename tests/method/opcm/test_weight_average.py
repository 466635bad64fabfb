"""Continual weight average."""

import pytest
import torch
from helpers import make_models, same_tensors
from oracle_files import TASKS, fold_tasks, oracle_base, oracle_tensors, relative_errors

from fusion_bench.method.continual import Base
from fusion_bench.method.opcm.weight_average import ContinualWeightAverage, weight_average_step
from fusion_bench.utils.executors import SerialExecutor


def without_pretrained() -> Base:
    """The base of a pool that has no pretrained model: its first model."""
    return Base(oracle_tensors("task_a"), frozenset(), is_pretrained=False)


@pytest.mark.parametrize("base", [oracle_base(), without_pretrained()], ids=["pretrained", "first model"])
def test_oracle(base):
    merged = fold_tasks(ContinualWeightAverage(), base=base).merged(base.params)
    expected = oracle_tensors("expected_weight_average_step3")
    assert max(relative_errors(merged, expected, oracle_tensors("_pretrained_")).values()) <= 1e-5


def test_every_step_is_the_mean_of_what_it_has_seen():
    base = oracle_base()
    for count in range(1, 5):
        merged = fold_tasks(ContinualWeightAverage(), TASKS[:count]).merged(base.params)
        for name, tensor in merged.items():
            mean = sum(oracle_tensors(task)[name].double() for task in TASKS[:count]) / count
            torch.testing.assert_close(tensor.double(), mean, rtol=1e-6, atol=1e-7)


def test_the_order_does_not_matter():
    base = oracle_tensors("_pretrained_")
    forth = fold_tasks(ContinualWeightAverage()).merged(base)
    back = fold_tasks(ContinualWeightAverage(), TASKS[::-1]).merged(base)
    assert max(relative_errors(back, forth, base).values()) < 1e-5


@pytest.mark.parametrize("names", [["a", "b", "c"], ["_pretrained_", "a", "b", "c"]])
def test_run_with_and_without_a_pretrained_model(names):
    models = make_models(names)
    before = {name: {k: v.clone() for k, v in model.state_dict().items()} for name, model in models.items()}
    merged = ContinualWeightAverage(seed=0).run(models)
    for name, tensor in merged.state_dict().items():
        mean = sum(before[model][name].double() for model in "abc") / 3
        torch.testing.assert_close(tensor.double(), mean, rtol=1e-6, atol=1e-7)
    assert all(same_tensors(models[name].state_dict(), tensors) for name, tensors in before.items())
    assert all(parameter.grad_fn is None and parameter.is_leaf for parameter in merged.parameters())


def test_one_model_without_a_pretrained_one_comes_back():
    models = make_models(["a"])
    assert same_tensors(ContinualWeightAverage().run(models).state_dict(), models["a"].state_dict())


def test_bfloat16_models_are_summed_in_float32():
    steps = [{"w": torch.tensor([value], dtype=torch.bfloat16)} for value in (1.0, 1.0078125, 1.0078125, 1.0078125)]
    base = Base(steps[0], frozenset(), is_pretrained=False)
    state = None
    for incoming in steps:
        state = weight_average_step(state, incoming, base, map_tensors=SerialExecutor().map)
    assert state.accumulator["w"].dtype == torch.float32
    merged = state.merged(base.params)["w"]
    assert (float(merged), merged.dtype) == (1.0078125, torch.bfloat16)  # 1.00586 to the nearest bfloat16


def test_a_step_leaves_the_state_alone():
    first = fold_tasks(ContinualWeightAverage(), TASKS[:1])
    kept = {name: tensor.clone() for name, tensor in first.accumulator.items()}
    second = weight_average_step(first, oracle_tensors("task_b"), oracle_base(), map_tensors=SerialExecutor().map)
    assert same_tensors(first.accumulator, kept)
    assert (first.count, first.divisor, second.count, second.divisor) == (1, 1.0, 2, 2.0)
