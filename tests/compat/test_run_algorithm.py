"""User algorithms see what they expect of a program, and their hooks are called exactly once."""

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from helpers import make_models

from fusion_bench import BaseAlgorithm, BaseModelFusionAlgorithm, BaseModelPool
from fusion_bench.compat import run_algorithm
from fusion_bench.functional.params import task_vector
from fusion_bench.method.continual import ContinualAlgorithm, MergeState
from fusion_bench.method.dummy import Dummy
from fusion_bench.method.simple_average import SimpleAverage
from fusion_bench.mixins import LightningFabricMixin, SimpleProfilerMixin
from fusion_bench.runtime import Runtime


class Watched:
    """Counts the hooks."""

    calls = ()

    def on_run_start(self):
        self.calls = (*self.calls, "start")

    def on_run_end(self):
        self.calls = (*self.calls, "end")


class UserMethod(Watched, BaseModelFusionAlgorithm):
    def run(self, modelpool):
        assert isinstance(modelpool, BaseModelPool)
        self.seen = self._program
        return modelpool.load_model("a")


class FailingMethod(Watched, BaseModelFusionAlgorithm):
    def run(self, modelpool):
        raise RuntimeError("no")


class RuntimeMethod(Watched, BaseAlgorithm):
    def run(self, modelpool, runtime=None):
        self.seen = runtime
        return modelpool.load_model("a")


@dataclass(kw_only=True)
class Latest(Watched, ContinualAlgorithm):
    """Keeps the latest model."""

    def merge_step(self, state, incoming, base, map_tensors):
        vectors = map_tensors(lambda name: task_vector(incoming, base.params, name), base.mergeable)
        return MergeState(
            accumulator=vectors, divisor=1.0, count=1, task_vector_norm=0.0, norm_sum=0.0, accumulator_norm=0.0
        )


class CallsSuper(Latest):
    def run(self, modelpool, runtime=None):
        return super().run(modelpool, runtime)


class Plain:
    def run(self, modelpool):
        return modelpool.model_names


def test_a_user_method_sees_the_program_while_it_runs():
    method, taskpool, fabric = UserMethod(), object(), object()
    runtime = Runtime(log_dir=Path("out"))
    run_algorithm(method, make_models(), runtime, fabric=fabric, taskpool=taskpool)
    assert method.calls == ("start", "end")
    assert (method.seen.taskpool, method.seen.fabric, method.seen.log_dir) == (taskpool, fabric, Path("out"))
    assert method.seen.modelpool.model_names == ["a", "b", "c", "d"]
    assert method._program is None


def test_a_method_that_takes_a_runtime_gets_it_and_no_program():
    method, runtime = RuntimeMethod(), Runtime()
    run_algorithm(method, make_models(), runtime)
    assert method.seen is runtime
    assert method.calls == ("start", "end")
    assert "_program" not in vars(method)


@pytest.mark.parametrize("cls", [Latest, CallsSuper])
def test_hooks_of_a_continual_method_are_called_once(cls):
    method = cls(shuffle_order=False)
    merged = run_algorithm(method, make_models(), Runtime())
    assert method.calls == ("start", "end")
    torch.testing.assert_close(merged[0].weight, make_models()["d"][0].weight)
    method.run(make_models())
    assert method.calls == ("start", "end", "start", "end")


@pytest.mark.parametrize("cls", [SimpleAverage, Dummy])
def test_hooks_of_our_other_methods_are_called_once(cls):
    method = type("Counted", (Watched, cls), {})()
    run_algorithm(method, make_models(), Runtime())
    assert method.calls == ("start", "end")
    with pytest.raises(ValueError, match="pool"):
        method.run({})
    assert method.calls == ("start", "end", "start", "end")


def test_hooks_are_called_once_when_run_fails():
    method = FailingMethod()
    with pytest.raises(RuntimeError, match="no"):
        run_algorithm(method, make_models(), Runtime())
    assert method.calls == ("start", "end")
    assert method._program is None


def test_an_object_with_nothing_but_run_is_enough():
    assert run_algorithm(Plain(), make_models(["a", "b"]), Runtime()) == ["a", "b"]


def test_an_object_without_run_is_refused():
    with pytest.raises(TypeError, match=r"the method dict has no run\(modelpool\)"):
        run_algorithm({}, make_models(), Runtime())


class Logger:
    log_dir = "logger/version_0"


class FakeFabric:
    def __init__(self, loggers=()):
        self.loggers = list(loggers)
        self.logged = []

    def log(self, name, value, step=None):
        self.logged.append((name, value, step))

    def log_dict(self, metrics, step=None):
        self.logged.append((dict(metrics), step))

    def to_device(self, obj):
        return obj


class Mixed(LightningFabricMixin, SimpleProfilerMixin, BaseAlgorithm):
    def run(self, modelpool):
        with self.profile("loading"):
            model = self.to_device(modelpool.load_model("a"))
        self.log("loss", 1.5, step=2)
        self.log_dict({"a": 1}, step=3)
        self.directory = self.log_dir
        return model


def test_the_fabric_of_the_program_is_injected():
    method, fabric = Mixed(), FakeFabric([Logger()])
    run_algorithm(method, make_models(), Runtime(), fabric=fabric)
    assert method.fabric is fabric
    assert fabric.logged == [("loss", 1.5, 2), ({"a": 1}, 3)]
    assert method.directory == "logger/version_0"


def test_the_log_dir_is_that_of_the_run():
    method = Mixed()
    run_algorithm(method, make_models(), Runtime(log_dir=Path("out")), fabric=FakeFabric([Logger()]))
    assert method.directory == "out"
    method._fabric_instance = FakeFabric()
    assert method.log_dir is None


def test_without_a_program_a_fabric_is_built_on_first_use():
    method = Mixed()
    method.run(BaseModelPool(make_models()))
    assert method.fabric is method.fabric
    assert method.to_device(torch.ones(2)).tolist() == [1.0, 1.0]
    assert method.log_dir is None


def test_profile_summary_goes_to_standard_output(capsys):
    method = Mixed()
    method.print_profile_summary()
    assert capsys.readouterr().out == ""
    for _ in range(2):
        with method.profile("loading"):
            pass
    method.print_profile_summary()
    assert "loading" in capsys.readouterr().out
