"""Continual TIES."""

import math
from fractions import Fraction

import pytest
import torch
from helpers import make_models, same_tensors
from oracle_files import TASKS, fold_tasks, oracle_base, oracle_tensors, relative_errors

from fusion_bench.method.continual import Base
from fusion_bench.method.opcm.ties_merging import ContinualTiesMerging
from fusion_bench.runtime import Runtime
from fusion_bench.utils.executors import SerialExecutor, ThreadExecutor

THRESHOLDS = [(1, 1), (1.0, 1), (100, 1), (0.2, Fraction(1, 5)), (20, Fraction(1, 5)), (99, Fraction(99, 100))]


def joined(params, base) -> torch.Tensor:
    """The task vector as one float64 vector."""
    return torch.cat([(params[name].double() - base[name].double()).flatten() for name in base])


def trimmed(vector, keep):
    cutoff = vector.abs().sort(descending=True).values[math.ceil(keep * vector.numel()) - 1]
    return vector * (vector.abs() >= cutoff)


def ties_of_two(left, right, keep):
    """TIES with ``sum`` of two joined vectors, for vectors whose entries do not cancel exactly."""
    left, right = trimmed(left, keep), trimmed(right, keep)
    sign = (left + right).sign()
    return left * (left.sign() == sign) + right * (right.sign() == sign)


def by_formula(keep, scaling_factor, accumulate, tasks=TASKS):
    """The published recursion, or the corrected one, on joined float64 vectors."""
    base = oracle_tensors("_pretrained_")
    total = scaling_factor * joined(oracle_tensors(tasks[0]), base)
    for task in tasks[1:]:
        vector = joined(oracle_tensors(task), base)
        if accumulate:
            total = total + scaling_factor * ties_of_two(total, vector, keep)
        else:
            total = ties_of_two(total, scaling_factor * vector, keep)
    return total


@pytest.mark.parametrize("merge_func", ["sum", "mean", "max"])
def test_oracle(merge_func):
    base = oracle_tensors("_pretrained_")
    method = ContinualTiesMerging(scaling_factor=0.5, threshold=20, merge_func=merge_func)
    merged = fold_tasks(method).merged(base)
    errors = relative_errors(merged, oracle_tensors(f"expected_ties_0.5_20_{merge_func}_step3"), base)
    assert max(errors.values()) <= 1e-5


@pytest.mark.parametrize("accumulate", [True, False])
@pytest.mark.parametrize(("threshold", "keep"), THRESHOLDS)
def test_formula_at_thresholds(threshold, keep, accumulate):
    state = fold_tasks(ContinualTiesMerging(threshold=threshold, accumulate=accumulate))
    expected = by_formula(keep, 0.5, accumulate)
    found = torch.cat([state.accumulator[name].double().flatten() for name in oracle_tensors("_pretrained_")])
    assert float((found - expected).norm() / expected.norm()) < 1e-6


@pytest.mark.parametrize("accumulate", [True, False])
def test_the_first_model_is_added_untrimmed(accumulate):
    base = oracle_tensors("_pretrained_")
    merged = fold_tasks(ContinualTiesMerging(accumulate=accumulate), TASKS[:1]).merged(base)
    expected = {name: base[name] + 0.5 * (tensor - base[name]) for name, tensor in oracle_tensors("task_a").items()}
    assert max(relative_errors(merged, expected, base).values()) < 1e-5


def test_the_corrected_variant_of_two_models_does_not_depend_on_their_order():
    base = oracle_tensors("_pretrained_")
    method = ContinualTiesMerging(accumulate=False)
    forth, back = fold_tasks(method, TASKS[:2]).merged(base), fold_tasks(method, TASKS[1::-1]).merged(base)
    assert max(relative_errors(back, forth, base).values()) < 1e-5


def test_removed_tensors_stay_pretrained_and_do_not_count_for_the_trim():
    base = oracle_tensors("_pretrained_")
    removed = "embeddings.patch_embedding.weight"
    state = fold_tasks(ContinualTiesMerging(remove_keys=[removed]), TASKS[:2])
    assert torch.equal(state.merged(base)[removed], base[removed])
    rest = {name: tensor for name, tensor in base.items() if name != removed}
    total = 0.5 * joined(oracle_tensors("task_a"), rest)
    total = total + 0.5 * ties_of_two(total, joined(oracle_tensors("task_b"), rest), Fraction(1, 5))
    found = torch.cat([state.accumulator[name].double().flatten() for name in rest])
    assert float((found - total).norm() / total.norm()) < 1e-6


@pytest.mark.parametrize("accumulate", [True, False])
@pytest.mark.parametrize("merge_func", ["sum", "mean", "max"])
def test_zero_task_vectors(merge_func, accumulate):
    models = make_models(["_pretrained_", "a", "b"])
    for model in models.values():
        model.load_state_dict(models["_pretrained_"].state_dict())
    merged = ContinualTiesMerging(merge_func=merge_func, accumulate=accumulate).run(models)
    assert same_tensors(merged.state_dict(), models["a"].state_dict())


def test_a_run_changes_no_model_builds_no_graph_and_is_the_same_in_threads():
    models = make_models()
    before = {name: {k: v.clone() for k, v in model.state_dict().items()} for name, model in models.items()}
    method = ContinualTiesMerging(seed=0)
    serial = method.run(models, Runtime(executor=SerialExecutor()))
    threads = method.run(models, Runtime(executor=ThreadExecutor(2)))
    assert same_tensors(serial.state_dict(), threads.state_dict())
    assert all(same_tensors(models[name].state_dict(), tensors) for name, tensors in before.items())
    assert all(parameter.grad_fn is None and parameter.is_leaf for parameter in serial.parameters())
    state = fold_tasks(method, TASKS[:2])
    assert not any(tensor.requires_grad for tensor in state.accumulator.values())


def test_a_step_leaves_the_state_alone():
    method = ContinualTiesMerging()
    first = fold_tasks(method, TASKS[:1])
    kept = {name: tensor.clone() for name, tensor in first.accumulator.items()}
    method.merge_step(first, oracle_tensors("task_b"), oracle_base(), SerialExecutor().map)
    assert same_tensors(first.accumulator, kept)


def test_float64_models_are_trimmed_in_float64():
    def make(values):
        return {"w": torch.tensor(values, dtype=torch.float64)}

    base = Base(make([0.0, 0.0]), frozenset())
    method = ContinualTiesMerging(scaling_factor=1.0, threshold=50)
    state = method.merge_step(None, make([1.0, 1.0 + 1e-12]), base, SerialExecutor().map)
    state = method.merge_step(state, make([1.0, 1.0 + 1e-12]), base, SerialExecutor().map)
    assert state.accumulator["w"].tolist() == [1.0, 3 * (1.0 + 1e-12)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threshold": 0}, r"threshold must be a fraction in \(0, 1\]"),
        ({"threshold": 101}, "got 101"),
        ({"merge_func": "median"}, "merge_func must be one of sum, mean, max; got 'median'"),
        ({"evaluate": "sometimes"}, "evaluate must be null or one of"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        ContinualTiesMerging(**options)


def test_an_unknown_removed_key_is_named():
    with pytest.raises(ValueError, match=r"remove_keys names '0\.wait', .* did you mean '0\.weight'"):
        ContinualTiesMerging(remove_keys=["0.wait"]).run(make_models())
