"""The loop around the merge steps: order, events, callbacks, checks, resume."""

import json
import random

import pytest
import torch
from helpers import HashTaskPool, files_of, make_models, same_tensors
from safetensors.torch import load_file
from torch import nn

from fusion_bench.callbacks.evaluate import EvaluateTasks
from fusion_bench.callbacks.standard import standard_callbacks
from fusion_bench.method.opcm.opcm import OPCM
from fusion_bench.method.opcm.task_arithmetic import ContinualTaskArithmetic
from fusion_bench.method.opcm.weight_average import ContinualWeightAverage
from fusion_bench.runtime import Callback, Runtime
from fusion_bench.utils.executors import SerialExecutor, ThreadExecutor


@pytest.fixture
def models() -> dict[str, nn.Module]:
    return make_models()


def runtime(method, tmp_path, taskpool=None, **kwargs) -> Runtime:
    callbacks = standard_callbacks(method, taskpool=taskpool, log_dir=tmp_path)
    return Runtime(callbacks=[*callbacks, *kwargs.pop("extra", [])], log_dir=tmp_path, **kwargs)


# ---- order


def test_order_of_the_pool_and_explicit_orders(models, tmp_path):
    names = ["a", "b", "c", "d"]
    assert OPCM(shuffle_order=False).resolve_order(names, Runtime()) == tuple(names)
    assert OPCM(order=["d", "a"]).resolve_order(names, Runtime()) == ("d", "a")
    path = tmp_path / "model_names.json"
    path.write_text(json.dumps(["b", "d", "a", "c"]))
    assert OPCM(order=str(path)).resolve_order(names, Runtime()) == ("b", "d", "a", "c")


def test_shuffling_is_seeded_and_leaves_global_random_state_alone():
    names = list("abcdefgh")
    before = (random.getstate(), torch.get_rng_state())
    first = OPCM(seed=3).resolve_order(names, Runtime())
    assert first == OPCM(seed=3).resolve_order(names, Runtime(seed=5))
    assert first != OPCM(seed=4).resolve_order(names, Runtime())
    assert OPCM().resolve_order(names, Runtime(seed=3)) == first  # the seed of the run is the fallback
    assert random.getstate() == before[0]
    assert torch.equal(torch.get_rng_state(), before[1])


@pytest.mark.parametrize(
    ("order", "message"),
    [
        (["a", "x"], r"names 'x', which is not in the pool; it has \['a', 'b'\]"),
        (["a", "a"], "names 'a' twice"),
        ([], "must be a list of model names"),
    ],
)
def test_wrong_orders(order, message):
    with pytest.raises(ValueError, match=message):
        OPCM(order=order).resolve_order(["a", "b"], Runtime())


def test_order_file_that_is_no_json(tmp_path):
    (tmp_path / "names.json").write_text("[")
    with pytest.raises(ValueError, match=r"names\.json is not valid JSON"):
        OPCM(order=str(tmp_path / "names.json")).resolve_order(["a"], Runtime())


def test_order_file_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no order file .*names\.json; give .* as a list: \[a, b\]"):
        OPCM(order=str(tmp_path / "names.json")).resolve_order(["a"], Runtime())


def test_empty_pool(models):
    with pytest.raises(ValueError, match="no models to merge"):
        OPCM().run({"_pretrained_": models["_pretrained_"]})


# ---- a run


def test_plain_python_run_leaves_models_and_random_state_alone(models):
    before = {name: {k: v.clone() for k, v in model.state_dict().items()} for name, model in models.items()}
    state = torch.get_rng_state()
    merged = OPCM(alpha=0.5, shuffle_order=True, save_on_every_step=True, evaluate_on_every_step=False).run(models)
    assert isinstance(merged, nn.Sequential)
    assert all(merged is not model for model in models.values())
    assert all(same_tensors(models[name].state_dict(), before[name]) for name in models)
    assert torch.equal(torch.get_rng_state(), state)
    assert not any(tensor.grad_fn or tensor.requires_grad for tensor in merged.state_dict().values())


def test_a_list_of_models_is_enough_where_no_pretrained_is_needed(models):
    merged = ContinualWeightAverage(shuffle_order=False).run([models["a"], models["b"]])
    expected = (models["a"][0].weight + models["b"][0].weight) / 2
    assert torch.allclose(merged[0].weight, expected, atol=1e-7)


def test_missing_pretrained_is_named(models):
    del models["_pretrained_"]
    with pytest.raises(
        ValueError, match=r"needs the pretrained model under the name '_pretrained_'; the pool has \['a'"
    ):
        OPCM().run(models)


@pytest.mark.parametrize("method", [OPCM, ContinualTaskArithmetic, ContinualWeightAverage])
def test_events(models, method):
    events = list(method(shuffle_order=False).steps(models))
    assert [event.index for event in events] == [0, 1, 2, 3]
    assert [event.seen for event in events] == [("a",), ("a", "b"), ("a", "b", "c"), ("a", "b", "c", "d")]
    assert [event.is_last for event in events] == [False, False, False, True]
    assert all(event.model is event.model for event in events)
    assert events[2].metrics["empirical/lambda_t"] == pytest.approx(3**0.5)


def test_first_step_is_the_first_model(models):
    event = next(iter(OPCM(order=["c", "a"]).steps(models)))
    assert event.metrics["model/lambda_t"] == 1.0
    for name, tensor in models["c"].state_dict().items():
        assert torch.allclose(event.params[name], tensor, atol=1e-6)


def test_executors_agree_bit_for_bit(models):
    torch.set_num_threads(1)
    runs = [OPCM(seed=0).run(models, Runtime(executor=executor)) for executor in (SerialExecutor(), ThreadExecutor(3))]
    assert same_tensors(runs[0].state_dict(), runs[1].state_dict())


def test_thread_executor_puts_the_number_of_threads_back_and_raises_the_first_error():
    before = torch.get_num_threads()

    def fail(name):
        raise RuntimeError(f"cannot merge {name}")

    with pytest.raises(RuntimeError, match="cannot merge a"):
        ThreadExecutor(2).map(fail, ["a", "b"])
    assert torch.get_num_threads() == before
    with pytest.raises(ValueError, match="threads must be at least 1"):
        ThreadExecutor(0)


def test_hooks_run_also_when_the_run_fails(models):
    calls = []

    class Watch(Callback):
        def on_step(self, event):
            calls.append(event.name)
            raise RuntimeError("stop here")

        def on_run_end(self):
            calls.append("end")

    class Method(OPCM):
        def on_run_start(self):
            calls.append("start")

        def on_run_end(self):
            calls.append("method end")

    with pytest.raises(RuntimeError, match="stop here"):
        Method(order=["b"]).run(models, Runtime(callbacks=[Watch()]))
    assert calls == ["start", "b", "end", "method end"]


# ---- checks before merging


def test_bad_models_are_named_before_anything_is_merged(models):
    with torch.no_grad():
        models["c"][0].weight[2, 3] = float("nan")
    merged = []

    class Watch(Callback):
        def on_step(self, event):
            merged.append(event.name)

    with pytest.raises(ValueError, match=r"model 'c': tensor '0.weight' has 1 of 48 entries that are NaN or Inf"):
        OPCM().run(models, Runtime(callbacks=[Watch()]))
    assert merged == []


def test_different_shapes_keys_and_dtypes_are_named(models):
    models["b"][2] = nn.Linear(8, 5, bias=False)
    with pytest.raises(ValueError, match=r"model 'b': tensor '2.weight' has shape \(5, 8\), expected \(4, 8\)"):
        OPCM().run(models)
    models["b"][2] = nn.Linear(8, 4)
    with pytest.raises(ValueError, match=r"model 'b' has a tensor '2.bias', which '_pretrained_' lacks"):
        OPCM().run(models)
    models["b"] = models["a"].double()
    with pytest.raises(ValueError, match=r"dtype torch.float64, expected torch.float32"):
        OPCM().run(models)


# ---- files and evaluation


def test_files_of_a_run(models, tmp_path):
    method = OPCM(order=["b", "d", "a"])
    pool = HashTaskPool()
    method.run(models, runtime(method, tmp_path, pool))
    assert json.loads((tmp_path / "model_names.json").read_text()) == ["b", "d", "a"]
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "checkpoints", "continual_report.json", "model_names.json", "report_0.json", "report_1.json",
        "report_2.json", "resume", "trace.json",
    ]  # fmt: skip
    assert sorted(p.name for p in (tmp_path / "checkpoints").iterdir()) == [f"merged_model_{i}" for i in range(3)]
    trace = json.loads((tmp_path / "trace.json").read_text())
    assert [(row["step"], row["name"]) for row in trace] == [(0, "b"), (1, "d"), (2, "a")]
    assert set(trace[1]["split_ranks"]) == {"0.weight", "2.weight"}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, [("b",), ("b", "d"), ("b", "d", "a", "c")]),
        ({"evaluate": "diagonal"}, [("b",), ("d",), ("b", "d", "a", "c")]),
        ({"evaluate": "all"}, [("b", "d", "a", "c")] * 3),
        ({"evaluate_on_every_step": False}, [("b", "d", "a", "c")]),
    ],
)
def test_evaluation_plans_score_the_last_step_once(models, tmp_path, settings, expected):
    method = OPCM(order=["b", "d", "a"], **settings)
    pool = HashTaskPool()
    method.run(models, runtime(method, tmp_path, pool))
    assert pool.calls == expected
    assert pool.task_names == ["a", "b", "c", "d"]


def test_the_diagonal_at_the_end_gives_the_scores_of_the_diagonal(models, tmp_path):
    def scored(plan):
        method, pool = OPCM(order=["b", "d", "a"], evaluate=plan), HashTaskPool()
        method.run(models, runtime(method, tmp_path / plan, pool))
        names = [f"report_{step}.json" for step in range(3)] + ["continual_report.json"]
        return pool.calls, [json.loads((tmp_path / plan / name).read_text()) for name in names]

    calls, reports = scored("diagonal_at_end")
    assert calls == [("b",), ("b",), ("d",), ("d",), ("a",), ("c",)]  # both models of a task together, then the rest
    assert reports == scored("diagonal")[1]


def test_the_diagonal_at_the_end_needs_saved_models(models, tmp_path):
    with pytest.raises(ValueError, match="needs save_on_every_step=true"):
        OPCM(evaluate="diagonal_at_end", save_on_every_step=False)
    callback = EvaluateTasks(HashTaskPool(), plan="diagonal_at_end")
    with pytest.raises(ValueError, match="needs a log_dir"):
        OPCM(evaluate="diagonal_at_end").run(models, Runtime(callbacks=[callback]))


def test_unknown_plan():
    with pytest.raises(
        ValueError, match=r"evaluate must be null or one of seen, diagonal, diagonal_at_end, all, none; got 'diag'"
    ):
        OPCM(evaluate="diag")


def test_no_common_task_is_an_error_before_merging(models, tmp_path):
    method = OPCM()
    with pytest.raises(ValueError, match="no model has a task of its name"):
        method.run(models, runtime(method, tmp_path, HashTaskPool(["x", "y"])))


def test_without_saving_there_are_no_checkpoints(models, tmp_path):
    method = OPCM(save_on_every_step=False, evaluate_on_every_step=False)
    method.run(models, runtime(method, tmp_path))
    assert not (tmp_path / "checkpoints").exists()


# ---- resume


class StopAfter(Callback):
    """Fails as a killed process would, at the end of a step."""

    def __init__(self, index):
        self.index = index

    def on_step(self, event):
        if event.index == self.index:
            raise KeyboardInterrupt


@pytest.mark.parametrize("stop", [0, 1, 3])
@pytest.mark.parametrize("method", [OPCM(seed=1), ContinualTaskArithmetic(seed=1), ContinualWeightAverage(seed=1)])
def test_resumed_run_is_identical(models, tmp_path, method, stop):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    method.run(models, runtime(method, whole, HashTaskPool()))
    with pytest.raises(KeyboardInterrupt):
        method.run(models, runtime(method, broken, HashTaskPool(), extra=[StopAfter(stop)]))
    pool = HashTaskPool()
    method.run(models, runtime(method, broken, pool, resume=True))
    assert len(pool.calls) == 4 - stop
    assert files_of(broken) == files_of(whole)


def test_resume_of_a_finished_run_gives_the_same_model(models, tmp_path):
    method = OPCM(seed=0)
    first = method.run(models, runtime(method, tmp_path, HashTaskPool()))
    before = files_of(tmp_path)
    again = method.run(models, runtime(method, tmp_path, HashTaskPool(), resume=True))
    assert same_tensors(first.state_dict(), again.state_dict())
    assert files_of(tmp_path) == before


def test_an_unseeded_order_is_taken_from_the_interrupted_run(models, tmp_path):
    method = OPCM()
    with pytest.raises(KeyboardInterrupt):
        method.run(models, runtime(method, tmp_path, extra=[StopAfter(1)]))
    order = json.loads((tmp_path / "model_names.json").read_text())
    method.run(models, runtime(method, tmp_path, resume=True))
    assert json.loads((tmp_path / "model_names.json").read_text()) == order


def test_a_directory_that_holds_a_run_is_not_overwritten(models, tmp_path):
    method = OPCM(seed=0)
    method.run(models, runtime(method, tmp_path))
    with pytest.raises(FileExistsError, match=r"already holds a run\. Add resume=true"):
        method.run(models, runtime(method, tmp_path))


def test_resume_refuses_another_run(models, tmp_path):
    method = OPCM(order=["a", "b", "c"])
    method.run(models, runtime(method, tmp_path))

    def resume(other, changed=models):
        return other.run(changed, runtime(other, tmp_path, resume=True))

    with pytest.raises(ValueError, match=r"settings.alpha was 0.5, now it is 0.6"):
        resume(OPCM(order=["a", "b", "c"], alpha=0.6))
    with pytest.raises(ValueError, match=r"its order was \['a', 'b', 'c'\], now it is \['a', 'c', 'b'\]"):
        resume(OPCM(order=["a", "c", "b"]))
    with pytest.raises(ValueError, match=r"its method was 'fusion_bench.method.opcm.opcm\.\w+'"):
        resume(ContinualTaskArithmetic(order=["a", "b", "c"]))
    with torch.no_grad():
        models["b"][0].weight[0, 0] += 1
    with pytest.raises(ValueError, match=r"its fingerprints.b was"):
        resume(method)


def test_a_finished_run_clears_away_the_state_before_its_last(models, tmp_path):
    method = OPCM(seed=0)
    method.run(models, runtime(method, tmp_path))
    (tmp_path / "resume" / "step_1").mkdir()  # killed before it was deleted
    method.run(models, runtime(method, tmp_path, resume=True))
    assert [p.name for p in (tmp_path / "resume").glob("step_*")] == ["step_3"]


def test_half_written_state_is_never_under_its_name(models, tmp_path, monkeypatch):
    method = OPCM(seed=0)
    with pytest.raises(KeyboardInterrupt):
        method.run(models, runtime(method, tmp_path, extra=[StopAfter(2)]))
    (tmp_path / "resume" / ".partial-state.safetensors.1").write_bytes(b"half")
    (tmp_path / "resume" / "step_0").mkdir()  # killed before what is older was deleted
    (tmp_path / "checkpoints" / ".partial-merged_model_2.xyz").mkdir()
    method.run(models, runtime(method, tmp_path, resume=True))
    assert [p.name for p in (tmp_path / "resume").iterdir() if "partial" in p.name] == []
    assert [p.name for p in (tmp_path / "checkpoints").iterdir() if "partial" in p.name] == []
    assert [p.name for p in (tmp_path / "resume").glob("step_*")] == ["step_3"]
    assert load_file(tmp_path / "resume" / "step_3" / "00000.safetensors")
