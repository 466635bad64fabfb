"""Checks OPCM against the oracle, by hand, and in the ways it is run."""

import copy
import json
import math

import pytest
import torch
from helpers import make_models, same_tensors
from oracle_files import ORACLE, TASKS, fold_tasks, oracle_base, oracle_tensors, relative_errors
from torch import nn

from fusion_bench.method.continual import Base, ContinualAlgorithm
from fusion_bench.method.opcm import opcm, opcm_general
from fusion_bench.runtime import Runtime
from fusion_bench.utils.executors import SerialExecutor, ThreadExecutor

METHODS = [opcm.OPCM, opcm_general.OPCM]
ALPHAS = (0.2, 0.5, 0.8)


def clip_linear_weights():
    """Names of the linear layers of a CLIP vision tower, by what they are called."""
    parts = ("q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2")
    return frozenset(
        name for name in oracle_tensors("_pretrained_") if name.endswith(tuple(f"{p}.weight" for p in parts))
    )


def fold(method, count=4):
    base = oracle_base(clip_linear_weights())
    return fold_tasks(method, TASKS[:count], base), base


@pytest.mark.parametrize("method_class", METHODS)
@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize("step", [1, 2, 3])
def test_matches_the_oracle(method_class, alpha, step):
    state, base = fold(method_class(alpha=alpha), step + 1)
    expected = oracle_tensors(f"expected_opcm_alpha{alpha}_step{step}")
    errors = relative_errors(state.merged(base.params), expected, base.params)
    assert max(errors.values()) <= 1e-5, max(errors.items(), key=lambda item: item[1])
    trace = json.loads((ORACLE / "trace.json").read_text())[f"opcm_alpha{alpha}"][step]
    metrics = state.metrics()
    for name in ("task_vector_norm", "avg_task_vector_norm", "merged_task_vector_norm", "lambda_t"):
        assert metrics[f"model/{name}"] == pytest.approx(trace[name], rel=1e-6)
    assert metrics["empirical/lambda_t"] == pytest.approx(math.sqrt(step + 1))
    assert state.split_ranks == trace["split_rank"]


def test_one_model_comes_back_as_it_is():
    state, base = fold(opcm.OPCM(), 1)
    assert state.divisor == 1.0
    assert state.split_ranks == {}
    errors = relative_errors(state.merged(base.params), oracle_tensors("task_a"), base.params)
    assert max(errors.values()) <= 1e-5


def test_class_embedding_is_merged():
    state, base = fold(opcm.OPCM())
    name = "embeddings.class_embedding"
    total = sum(oracle_tensors(task)[name] - base.params[name] for task in TASKS)
    torch.testing.assert_close(state.merged(base.params)[name], base.params[name] + total / state.divisor)


def test_both_variants_differ_by_the_diagonal_only():
    with_diagonal, _ = fold(opcm.OPCM(alpha=0.5, zero_diagonal=False), 2)
    without, _ = fold(opcm.OPCM(alpha=0.5), 2)
    base = oracle_base()
    for name in clip_linear_weights():
        first = (oracle_tensors(TASKS[0])[name] - base.params[name]).double()
        u, _, vh = torch.linalg.svd(first, full_matrices=False)
        difference = u.T @ (with_diagonal.accumulator[name] - without.accumulator[name]).double() @ vh.T
        rank = without.split_ranks[name]
        assert float((difference - difference.diagonal().diag()).abs().max()) < 1e-6
        assert float(difference.diagonal()[:rank].abs().max()) < 1e-6
        assert float(difference.diagonal()[rank:].abs().max()) > 1e-4


def linear_model(weight, bias=None):
    layer = nn.Linear(2, 2, bias=bias is not None)
    with torch.no_grad():
        layer.weight.copy_(torch.as_tensor(weight, dtype=torch.float32))
        if bias is not None:
            layer.bias.copy_(torch.as_tensor(bias, dtype=torch.float32))
    return layer


def test_by_hand():
    models = {
        "_pretrained_": linear_model([[1, 1], [1, 1]], [1, 0]),
        "a": linear_model([[4, 1], [1, 2]], [1, 0]),  # τ = diag(3, 1)
        "b": linear_model([[3, 3], [2, 5]], [1, 2]),  # τ = [[2, 2], [1, 4]], bias (0, 2)
    }
    method = opcm.OPCM(alpha=0.75, shuffle_order=False)
    merged = method.run(models)
    # 3 <= 0.75 * 4 protects the first direction; the diagonal goes as well: A = diag(3, 1) + [[0, 2], [1, 0]].
    accumulator, bias = torch.tensor([[3.0, 2.0], [1.0, 1.0]]), torch.tensor([0.0, 2.0])
    scale = math.sqrt(15 + 4) / ((math.sqrt(10) + math.sqrt(25 + 4)) / 2)
    torch.testing.assert_close(merged.weight.detach(), 1 + accumulator / scale)
    torch.testing.assert_close(merged.bias.detach(), torch.tensor([1.0, 0.0]) + bias / scale)
    kept = opcm.OPCM(alpha=0.75, zero_diagonal=False, shuffle_order=False)
    state = list(kept.steps(models))[-1]
    scale = state.metrics["model/lambda_t"]
    expected = 1 + torch.tensor([[3.0, 2.0], [1.0, 5.0]]) / scale
    torch.testing.assert_close(state.params["weight"], expected)
    assert state.split_ranks == {"weight": 1}


def test_alpha_1_adds_nothing_inside_the_accumulated_span():
    first, last = fold(opcm.OPCM(alpha=1.0), 1)[0], fold(opcm.OPCM(alpha=1.0), 2)[0]
    for name in clip_linear_weights():
        before = first.accumulator[name].double()
        assert last.split_ranks[name] == torch.linalg.matrix_rank(before, rtol=1e-6)
        u, _, vh = torch.linalg.svd(before, full_matrices=False)
        added = u.T @ (last.accumulator[name].double() - before) @ vh.T
        assert float(added.abs().max()) < 1e-6


def test_models_without_any_change_merge_to_the_base():
    weight = [[1, 2], [3, 4]]
    models = {name: linear_model(weight) for name in ("_pretrained_", "a", "b")}
    merged = opcm.OPCM().run(models)
    assert torch.equal(merged.weight.detach(), torch.tensor(weight, dtype=torch.float32))


@pytest.mark.parametrize("method_class", METHODS)
def test_executors_agree_and_nothing_is_mutated(method_class):
    models = make_models()
    before = copy.deepcopy({name: dict(model.state_dict()) for name, model in models.items()})
    method = method_class(shuffle_order=False)
    serial = method.run(models, Runtime(executor=SerialExecutor()))
    threads = method.run(models, Runtime(executor=ThreadExecutor(2)))
    assert same_tensors(serial.state_dict(), threads.state_dict())
    for name, model in models.items():
        assert same_tensors(model.state_dict(), before[name])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_merges_in_float32_and_comes_back(dtype):
    models = {name: model.to(dtype) for name, model in make_models().items()}
    merged = opcm.OPCM(shuffle_order=False).run(models).state_dict()
    exact = opcm.OPCM(shuffle_order=False).run({name: copy.deepcopy(m).float() for name, m in models.items()})
    for name, tensor in exact.state_dict().items():
        assert merged[name].dtype == dtype
        assert torch.equal(merged[name], tensor.to(dtype))


def test_only_weights_of_linear_layers_are_projected():
    base = Base({"weight": torch.zeros(3, 3), "table": torch.zeros(3, 3)}, frozenset({"weight"}))
    generator = torch.Generator().manual_seed(0)
    state, vectors = None, []
    for _ in range(2):
        vectors.append({name: torch.randn(3, 3, generator=generator) for name in base.params})
        state = opcm.OPCM(alpha=0.0).merge_step(state, vectors[-1], base, SerialExecutor().map)
    torch.testing.assert_close(state.accumulator["table"], vectors[0]["table"] + vectors[1]["table"])
    assert not torch.allclose(state.accumulator["weight"], vectors[0]["weight"] + vectors[1]["weight"])
    assert state.split_ranks == {"weight": 0}


@pytest.mark.parametrize("method_class", METHODS)
@pytest.mark.parametrize("alpha", [-0.1, 1.5])
def test_alpha_out_of_range(method_class, alpha):
    with pytest.raises(ValueError, match=rf"alpha must be in \[0, 1\], got {alpha}"):
        method_class(alpha=alpha)


@pytest.mark.parametrize("method_class", METHODS)
def test_options_of_every_continual_method_are_checked_too(method_class):
    with pytest.raises(ValueError, match="evaluate must be null or one of"):
        method_class(evaluate="sometimes")


def test_names_and_kinship():
    from fusion_bench.method.opcm import OPCM

    assert OPCM is opcm_general.OPCM
    assert opcm.OPCMForCLIP is opcm.OPCM
    assert all(method.__mro__[1] is ContinualAlgorithm for method in METHODS)
