"""Merging and scoring from plain Python."""

import json

import pytest
import torch
from helpers import HashTaskPool, make_models, same_tensors
from torch import nn

from fusion_bench.method.opcm import opcm_general
from fusion_bench.method.opcm.opcm import OPCM
from fusion_bench.method.simple_average import SimpleAverage
from fusion_bench.programs.merge import merge_and_evaluate, true_precision


def test_a_continual_run_without_files():
    result = merge_and_evaluate(OPCM(order=["b", "a"]), make_models(), HashTaskPool(["a", "b"]))
    assert result.continual.tasks == ("b", "a")
    assert result.report["average"]["accuracy"] == result.continual.average_accuracy
    assert {"merging", "evaluating", "loading"} <= set(result.profile.seconds)


def test_with_files(tmp_path):
    taskpool = HashTaskPool()
    result = merge_and_evaluate(OPCM(seed=1), make_models(), taskpool, log_dir=tmp_path, individual={"a": 0.5})
    assert json.loads((tmp_path / "continual_report.json").read_text()) == result.continual.to_dict()
    again = merge_and_evaluate(
        OPCM(seed=1), make_models(), taskpool, log_dir=tmp_path, individual={"a": 0.5}, resume=True
    )
    assert same_tensors(again.model.state_dict(), result.model.state_dict())
    assert again.report == result.report


@pytest.mark.parametrize("method", [OPCM, opcm_general.OPCM])
def test_per_step_evaluation_is_done_by_every_opcm(method):
    taskpool = HashTaskPool()
    merge_and_evaluate(method(order=["a", "b", "c"]), make_models(), taskpool)
    assert taskpool.calls == [("a",), ("a", "b"), ("a", "b", "c", "d")]
    taskpool = HashTaskPool()
    merge_and_evaluate(method(order=["a", "b", "c"], evaluate_on_every_step=False), make_models(), taskpool)
    assert taskpool.calls == [("a", "b", "c", "d")]


def test_one_shot_methods_are_scored_once():
    taskpool = HashTaskPool()
    result = merge_and_evaluate(SimpleAverage(), make_models(), taskpool)
    assert len(taskpool.calls) == 1
    assert result.continual is None
    assert merge_and_evaluate(SimpleAverage(), make_models()).report is None


def test_any_object_with_run_is_a_method():
    class First:
        def run(self, modelpool):
            return modelpool.load_model(modelpool.model_names[0])

    assert isinstance(merge_and_evaluate(First(), make_models()).model, nn.Sequential)


def test_true_precision():
    assert true_precision({"precision": "bf16-true"}) is torch.bfloat16
    assert true_precision({"precision": "bf16-mixed"}) is None
    assert true_precision(None) is None
