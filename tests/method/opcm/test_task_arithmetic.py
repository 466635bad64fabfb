"""Continual task arithmetic."""

import pytest
import torch
from helpers import make_models, same_tensors
from oracle_files import TASKS, fold_tasks, oracle_base, oracle_tensors, relative_errors

from fusion_bench.method.opcm.task_arithmetic import ContinualTaskArithmetic, task_arithmetic_step
from fusion_bench.utils.executors import SerialExecutor


def test_oracle():
    base = oracle_tensors("_pretrained_")
    merged = fold_tasks(ContinualTaskArithmetic(scaling_factor=0.3)).merged(base)
    errors = relative_errors(merged, oracle_tensors("expected_task_arithmetic_0.3_step3"), base)
    assert max(errors.values()) <= 1e-5


def test_norms_of_the_steps():
    base = oracle_tensors("_pretrained_")
    state = fold_tasks(ContinualTaskArithmetic(), TASKS[:2])
    vectors = [torch.cat([(oracle_tensors(task)[k] - base[k]).double().flatten() for k in base]) for task in TASKS[:2]]
    metrics = state.metrics()
    assert metrics["model/task_vector_norm"] == pytest.approx(float(vectors[1].norm()), rel=1e-6)
    mean = float(vectors[0].norm() + vectors[1].norm()) / 2
    assert metrics["model/avg_task_vector_norm"] == pytest.approx(mean, rel=1e-6)
    merged = float((0.3 * (vectors[0] + vectors[1])).norm())
    assert metrics["model/merged_task_vector_norm"] == pytest.approx(merged, rel=1e-6)


def test_the_order_does_not_matter():
    base = oracle_tensors("_pretrained_")
    forth = fold_tasks(ContinualTaskArithmetic()).merged(base)
    back = fold_tasks(ContinualTaskArithmetic(), TASKS[::-1]).merged(base)
    assert max(relative_errors(back, forth, base).values()) < 1e-5


def test_run_by_hand():
    models = make_models(["_pretrained_", "a", "b"])
    origin, a, b = (model.state_dict() for model in models.values())
    merged = ContinualTaskArithmetic(scaling_factor=0.5).run(models).state_dict()
    for name in origin:
        expected = origin[name].double() + 0.5 * (a[name].double() + b[name].double() - 2 * origin[name].double())
        torch.testing.assert_close(merged[name].double(), expected, rtol=1e-6, atol=1e-7)


def test_one_model_that_equals_the_pretrained_one():
    models = make_models(["_pretrained_", "a"])
    models["a"].load_state_dict(models["_pretrained_"].state_dict())
    merged = ContinualTaskArithmetic().run(models)
    assert same_tensors(merged.state_dict(), models["a"].state_dict())


def test_a_step_changes_nothing_it_was_given_and_builds_no_graph():
    before = {task: {k: v.clone() for k, v in oracle_tensors(task).items()} for task in (*TASKS, "_pretrained_")}
    first = fold_tasks(ContinualTaskArithmetic(), TASKS[:1])
    kept = {name: tensor.clone() for name, tensor in first.accumulator.items()}
    second = task_arithmetic_step(
        first, oracle_tensors("task_b"), oracle_base(), scaling_factor=0.3, map_tensors=SerialExecutor().map
    )
    assert same_tensors(first.accumulator, kept)
    assert all(same_tensors(oracle_tensors(name), tensors) for name, tensors in before.items())
    assert not any(tensor.requires_grad for tensor in second.accumulator.values())


def test_the_merged_model_has_no_graph():
    merged = ContinualTaskArithmetic().run(make_models())
    assert all(parameter.grad_fn is None and parameter.is_leaf for parameter in merged.parameters())


def test_the_pretrained_model_is_needed():
    with pytest.raises(ValueError, match=r"needs the pretrained model .* the pool has \['a', 'b'\]"):
        ContinualTaskArithmetic().run(make_models(["a", "b"]))
