"""Several orders from Python and from the program: files, sharing, resuming, failures, threads, Ray."""

import json
import os
import random
import threading
from pathlib import Path

import pytest
from helpers import HashTaskPool, files_of, make_models
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf
from ray_sessions import start_ray_for_tests

from fusion_bench.callbacks.shared_scores import SharedScores
from fusion_bench.method.opcm.opcm import OPCM
from fusion_bench.method.opcm.task_arithmetic import ContinualTaskArithmetic
from fusion_bench.method.opcm.ties_merging import ContinualTiesMerging
from fusion_bench.method.opcm.weight_average import ContinualWeightAverage
from fusion_bench.method.simple_average import SimpleAverage
from fusion_bench.programs.fusion import FabricModelFusionProgram
from fusion_bench.programs.merge_orders import merge_in_orders
from fusion_bench.programs.order_backends import cores_of, divided
from fusion_bench.programs.order_runs import OrderRuns
from fusion_bench.programs.orders import OrderError, draw_orders
from fusion_bench.report import EvalReport, ModelInfo, TaskScore
from fusion_bench.utils.executors import SerialExecutor, ThreadExecutor
from fusion_bench.utils.ray_executor import RayExecutor

NAMES = ["a", "b", "c", "d"]
SKIPPED = ("cli.log", "overrides.yaml", "config.yaml", "provenance.json", "metrics.csv", "metrics_0.csv")


HERE = Path(__file__).parent
PATHS = os.pathsep.join([str(HERE), str(HERE.parent), os.environ.get("PYTHONPATH", "")])  # of processes of Ray


def merge(method, log_dir=None, taskpool=None, models=None, **settings):
    return merge_in_orders(
        method, models or make_models(), taskpool or HashTaskPool(), orders=settings, log_dir=log_dir
    )


def table_of(directory):
    return json.loads((directory / "orders_report.json").read_text())


def results(directory):
    """What the run computed: everything but the logs and the records of how it was started."""
    return {
        name: content
        for name, content in files_of(directory).items()
        if name.rpartition("/")[2] not in SKIPPED and "tfevents" not in name
    }


# ---- sharing


@settings(deadline=None, max_examples=20)
@given(st.permutations(NAMES))
def test_order_free_methods_say_so_rightly(order):
    """The property: whatever the order, the merged model is the same but for rounding; and not so for the others."""
    for method in (ContinualTaskArithmetic, ContinualWeightAverage):
        assert method().order_free
        reference, other = (method(order=names).run(make_models()).state_dict() for names in (NAMES, order))
        assert all((reference[name] - other[name]).abs().max() <= 1e-6 for name in reference)


@pytest.mark.parametrize("method", [OPCM, ContinualTiesMerging])
def test_methods_that_depend_on_the_order_do_not_claim_to_be_free_of_it(method):
    assert not method().order_free
    models = [method(order=order).run(make_models()).state_dict() for order in (NAMES, NAMES[::-1])]
    assert any((models[0][name] - models[1][name]).abs().max() > 1e-4 for name in models[0])


def expected_evaluations(orders, order_free):
    """How many different models, as sets or as sequences, come up in some orders."""
    kind = frozenset if order_free else tuple
    return len({kind(order[: step + 1]) for order in orders for step in range(len(order))})


@pytest.mark.parametrize("method", [OPCM, ContinualTaskArithmetic, ContinualWeightAverage])
@pytest.mark.parametrize("parallel", [1, 3])
@pytest.mark.parametrize("on_disk", [True, False])
def test_each_model_is_scored_once(method, parallel, on_disk, tmp_path):
    taskpool = HashTaskPool()
    merge(method(), tmp_path if on_disk else None, taskpool, count=8, seed=1, parallel=parallel)
    assert len(taskpool.calls) == expected_evaluations(draw_orders(NAMES, 8, 1), method().order_free)


def test_both_scores_of_a_task_at_the_end_are_shared(tmp_path):
    taskpool = HashTaskPool()
    result = merge(OPCM(evaluate="diagonal_at_end"), tmp_path / "x", taskpool, count=4, seed=1)
    assert len(taskpool.calls) < 4 * (2 * len(NAMES) - 1)
    again = merge(OPCM(evaluate="diagonal"), tmp_path / "y", HashTaskPool(), count=4, seed=1)
    assert result.report.to_dict() == again.report.to_dict()


@pytest.mark.parametrize("method", [ContinualTaskArithmetic, ContinualWeightAverage])
def test_an_order_free_method_has_no_spread_at_all_at_the_last_step(method, tmp_path):
    found = merge(method(), tmp_path, count=10, seed=3).report.to_dict()
    assert found["std"]["ACC"] == 0.0
    assert set(found["std"]["accuracy"].values()) == {0.0}
    assert found["std"]["BWT"] > 0


def test_sharing_changes_no_number(tmp_path):
    orders = draw_orders(NAMES, 6, 2)
    together = merge(OPCM(), tmp_path, count=6, seed=2).report
    for name, order in zip(together.orders, orders, strict=True):
        alone = merge(OPCM(), None, explicit=[list(order)]).report
        assert alone.orders["order_00"] == together.orders[name]


def test_the_first_score_that_is_kept_stays(tmp_path):
    first, second = (EvalReport(ModelInfo(1, 1), {"a": TaskScore(share, 1.0)}) for share in (0.5, 0.25))
    mine, theirs = SharedScores(True, tmp_path), SharedScores(True, tmp_path)
    assert theirs.find(["x", "y"], ["a"]) is None
    assert mine.keep(["x", "y"], ["a"], first) == first
    assert theirs.keep(["y", "x"], ["a"], second) == first
    assert SharedScores(False, tmp_path).find(["y", "x"], ["a"]) is None
    assert SharedScores(True, tmp_path).find(["x", "y"], ["b"]) is None
    for file in tmp_path.iterdir():
        file.write_text("{")
    assert SharedScores(True, tmp_path).find(["x", "y"], ["a"]) is None  # damaged: scored again


def test_tasks_come_in_the_order_that_is_asked_for():
    shared = SharedScores(order_free=True)
    shared.keep(["x", "y"], ["a", "b"], EvalReport(ModelInfo(1, 1), {t: TaskScore(0.5, 1.0) for t in ("a", "b")}))
    assert list(shared.find(["y", "x"], ["b", "a"]).scores) == ["b", "a"]


# ---- files


POOL = {
    "_target_": "fusion_bench.modelpool.BaseModelPool",
    "models": {name: {"_target_": "helpers.make_model", "seed": i} for i, name in enumerate(["_pretrained_", *NAMES])},
}


def program(log_dir, **changes):
    given = {
        "method": {"_target_": "fusion_bench.method.opcm.opcm.OPCM"},
        "modelpool": POOL,
        "taskpool": {"_target_": "helpers.HashTaskPool", "task_names": NAMES},
        "fabric": {
            "_target_": "lightning.Fabric",
            "devices": 1,
            "accelerator": "cpu",
            "loggers": {"_target_": "lightning.fabric.loggers.CSVLogger", "root_dir": None, "name": None},
        },
        "path": {"log_dir": str(log_dir)},
        "orders": {"count": 3, "seed": 42},
        "print_config": False,
        "print_function_call": False,
    }
    return FabricModelFusionProgram(**{**given, **changes})


def test_each_order_is_a_complete_run_that_its_configuration_repeats(tmp_path):
    report = program(tmp_path / "all").run()
    orders = json.loads((tmp_path / "all" / "orders.json").read_text())
    assert [tuple(order) for order in orders] == list(draw_orders(NAMES, 3, 42))
    assert table_of(tmp_path / "all") == report.to_dict()
    for index, order in enumerate(orders):
        directory = tmp_path / "all" / f"order_{index:02d}"
        assert {path.name for path in directory.iterdir()} >= {
            "config.yaml", "overrides.yaml", "cli.log", "program_report.json", "model_names.json", "report_0.json",
            "report_3.json", "continual_report.json", "checkpoints", "trace.json", "metrics.csv",
        }  # fmt: skip
        config = OmegaConf.load(directory / "config.yaml")
        assert (config.orders, config.method.order) == (None, order)
        arguments = OmegaConf.to_container(config)
        arguments.pop("_target_")
        alone = tmp_path / f"alone_{index}"
        FabricModelFusionProgram(**{**arguments, "path": {"log_dir": str(alone)}}).run()
        assert results(alone) == results(directory)


def test_each_log_has_its_own_order_and_the_console_the_table(tmp_path, caplog):
    with caplog.at_level("INFO"):
        program(tmp_path, orders={"count": 3, "seed": 42, "parallel": 3}).run()
    assert "mean ± std" in caplog.text
    assert "time by phase" in caplog.text
    assert f"files of this run: {tmp_path}" in caplog.text
    for index in range(3):
        log = (tmp_path / f"order_{index:02d}" / "cli.log").read_text()
        assert log.count("of 4)") == 4
        assert f"order_{(index + 1) % 3:02d}" not in log


def test_orders_are_replayed_from_their_file_by_another_method(tmp_path):
    program(tmp_path / "first").run()
    replayed = program(
        tmp_path / "second",
        orders=str(tmp_path / "first" / "orders.json"),
        method={"_target_": "fusion_bench.method.opcm.weight_average.ContinualWeightAverage"},
    )
    replayed.run()
    assert (tmp_path / "first" / "orders.json").read_bytes() == (tmp_path / "second" / "orders.json").read_bytes()


def test_the_seed_of_the_run_draws_where_the_orders_have_none(tmp_path):
    program(tmp_path, seed=7, orders={"count": 2}).run()
    drawn = json.loads((tmp_path / "orders.json").read_text())
    assert [tuple(order) for order in drawn] == list(draw_orders(NAMES, 2, 7))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"method": {"_target_": "fusion_bench.method.simple_average.SimpleAverage"}},
            "SimpleAverage does not: choose",
        ),
        ({"method": {"_target_": "fusion_bench.method.opcm.opcm.OPCM", "seed": 3}}, r"so does method\.seed=3"),
        ({"report_save_path": "r.json"}, r"the same for all orders; write \{log_dir\}"),
        ({"merged_model_save_path": "m"}, "merged_model_save_path=m is the same for all orders"),
        ({"orders": {"count": 99}}, "4 models have no more than 24 orders"),
        ({"orders": [["a", "x"]]}, r"orders\[0\]: no 'x' in the pool"),
    ],
)
def test_mistakes_are_found_before_anything_is_merged(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        program(tmp_path, **changes).run()
    assert not (tmp_path / "order_00").exists()


def test_models_that_do_not_fit_are_found_before_anything_is_merged(tmp_path):
    from torch import nn

    models = make_models()
    models["c"] = nn.Linear(2, 2)
    with pytest.raises(ValueError, match="model 'c' lacks the tensor"):
        merge(OPCM(), tmp_path, models=models, count=2, seed=1)
    assert not (tmp_path / "order_00").exists()


def test_a_method_without_order_is_refused_in_python():
    with pytest.raises(ValueError, match="SimpleAverage does not"):
        merge_in_orders(SimpleAverage(), make_models(), orders={"count": 2})


def test_without_task_pool_there_are_models_and_no_scores(tmp_path):
    result = merge_in_orders(OPCM(), make_models(), orders={"count": 2, "seed": 1}, log_dir=tmp_path)
    assert result.report.to_dict()["mean"]["ACC"] is None
    assert (tmp_path / "order_01" / "checkpoints" / "merged_model_3").is_dir()


# ---- resuming


class Failing(HashTaskPool):
    """Fails at one of its calls, or never."""

    def __init__(self, at: int = 0, error: BaseException | None = None) -> None:
        super().__init__()
        self.at, self.error = at, error

    def evaluate(self, model, name=None, *, tasks=None):
        if len(self.calls) + 1 == self.at:
            raise self.error
        return super().evaluate(model, name, tasks=tasks)


@pytest.mark.parametrize("method", [OPCM(), OPCM(save_on_every_step=False), ContinualWeightAverage()])
@pytest.mark.parametrize("at", [1, 6, 11])
def test_a_failed_order_loses_nothing_and_the_rest_follows(tmp_path, method, at):
    merge(method, tmp_path / "whole", Failing(), count=4, seed=1)
    taskpool = Failing(at, OSError("the image is broken"))
    with pytest.raises(
        OrderError, match=r"order \d of 4 \(.*\) failed: the image is broken\. \d of 4 orders are finis"
    ):
        merge(method, tmp_path / "x", taskpool, count=4, seed=1)
    rest = Failing()
    merge_in_orders(method, make_models(), rest, orders={"count": 4, "seed": 1}, log_dir=tmp_path / "x", resume=True)
    assert results(tmp_path / "x") == results(tmp_path / "whole")
    assert len(rest.calls) + at - 1 == expected_evaluations(draw_orders(NAMES, 4, 1), method.order_free)


def test_ctrl_c_says_how_to_go_on(tmp_path, caplog):
    with pytest.raises(KeyboardInterrupt):
        merge(OPCM(), tmp_path, Failing(8, KeyboardInterrupt()), count=4, seed=1)
    assert f"orders are finished and kept in {tmp_path}; merge_in_orders(..., resume=True)" in caplog.text


def test_a_finished_run_does_nothing_and_gives_the_same(tmp_path):
    first = program(tmp_path).run()
    before = results(tmp_path)
    again = program(tmp_path, resume=True)
    assert again.run().to_dict() == first.to_dict()
    assert results(tmp_path) == before
    with pytest.raises(FileExistsError, match=r"already holds a run.*resume=true"):
        program(tmp_path).run()


def test_more_orders_follow_those_that_are_there(tmp_path):
    program(tmp_path / "x").run()
    program(tmp_path / "x", orders={"count": 5, "seed": 42}, resume=True).run()
    program(tmp_path / "y", orders={"count": 5, "seed": 42}).run()
    assert table_of(tmp_path / "x") == table_of(tmp_path / "y")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"method": {"_target_": "fusion_bench.method.opcm.opcm.OPCM", "alpha": 0.1}}, "settings.alpha was 0.5, now"),
        ({"orders": {"count": 3, "seed": 43}}, "its order 1 was .*, now it is"),
        ({"orders": {"count": 2, "seed": 42}}, "its order 3 was .*, now it is missing"),
        ({"taskpool": None}, "its scoring was 'HashTaskPool', now it is None"),
    ],
)
def test_other_settings_are_refused(tmp_path, changes, message):
    program(tmp_path).run()
    with pytest.raises(ValueError, match=message):
        program(tmp_path, resume=True, **changes).run()


def test_orders_drawn_without_a_seed_are_taken_up_again(tmp_path):
    program(tmp_path, orders={"count": 3}).run()
    before = results(tmp_path)
    (tmp_path / "order_02" / "program_report.json").unlink()
    program(tmp_path, orders={"count": 3}, resume=True).run()
    assert results(tmp_path) == before
    with pytest.raises(ValueError, match=r"has 3 orders, now orders\.count is 4.*without a seed"):
        program(tmp_path, orders={"count": 4}, resume=True).run()


@pytest.mark.parametrize("damage", ["program_report.json", "continual_report.json"])
def test_a_damaged_report_is_written_again(tmp_path, damage):
    program(tmp_path).run()
    before = results(tmp_path)
    (tmp_path / "order_01" / damage).write_text("{")
    program(tmp_path, resume=True).run()
    assert results(tmp_path) == before


@pytest.mark.parametrize("place", ["scores", "order_01"])  # in that of an order, after its report was written
def test_what_a_killed_run_began_to_write_goes(tmp_path, place):
    program(tmp_path).run()
    before = results(tmp_path)
    (tmp_path / place / ".partial-a.json.x").write_text("{")
    assert results(tmp_path) != before
    program(tmp_path, resume=True).run()
    assert results(tmp_path) == before


# ---- side by side


@pytest.mark.parametrize("method", [OPCM(), ContinualTiesMerging(), ContinualTaskArithmetic()])
def test_orders_in_threads_give_the_same_files(tmp_path, method):
    merge(method, tmp_path / "one", count=5, seed=9)
    merge(method, tmp_path / "three", count=5, seed=9, parallel=3)
    one, three = results(tmp_path / "one"), results(tmp_path / "three")
    if method.order_free:  # which of two models that differ by rounding is scored first is a matter of chance
        one, three = ({name: text for name, text in found.items() if "scores" not in name} for found in (one, three))
        one, three = (
            {name: text for name, text in found.items() if name.endswith("tensors")} for found in (one, three)
        )
    assert three == one


def test_cores_are_divided_among_orders():
    from fusion_bench.programs.merge import MergeJob

    def job(executor):
        return OrderRuns(algorithm=OPCM(), job=MergeJob(pool=None, executor=executor), orders=(("a",),))

    assert cores_of(divided(job(ThreadExecutor(8)), 3).job.executor) == 2
    assert cores_of(divided(job(ThreadExecutor(2)), 3).job.executor) == 1
    assert cores_of(divided(job(SerialExecutor()), 3).job.executor) == 1


def test_a_failure_in_one_thread_ends_the_others(tmp_path):
    before = threading.active_count()
    with pytest.raises(OrderError, match=r"failed: broken.*orders are finished and kept in"):
        merge(OPCM(), tmp_path, Failing(7, ValueError("broken")), count=6, seed=1, parallel=3)
    assert threading.active_count() == before
    merge_in_orders(OPCM(), make_models(), Failing(), orders={"count": 6, "seed": 1}, log_dir=tmp_path, resume=True)
    merge(OPCM(), tmp_path / "whole", Failing(), count=6, seed=1)
    assert table_of(tmp_path) == table_of(tmp_path / "whole")


def test_global_random_state_is_left_alone():
    state = random.getstate()
    merge(OPCM(), None, count=2, seed=1)
    assert random.getstate() == state


@pytest.mark.slow
def test_orders_on_ray_give_the_same_files(tmp_path, monkeypatch):
    pytest.importorskip("ray")
    monkeypatch.setenv("PYTHONPATH", PATHS)
    program(tmp_path / "here").run()
    program(tmp_path / "there", orders={"count": 3, "seed": 42, "parallel": 2, "backend": "ray"}).run()
    here, there = results(tmp_path / "here"), results(tmp_path / "there")
    assert there == here


@pytest.mark.slow
def test_a_failure_on_ray_names_the_order_and_actors_of_ray_serve_all_orders(tmp_path, monkeypatch, request):
    pytest.importorskip("ray")
    monkeypatch.setenv("PYTHONPATH", PATHS)
    ray = start_ray_for_tests(4)
    request.addfinalizer(ray.shutdown)
    monkeypatch.setattr("ray.shutdown", lambda: pytest.fail("a Ray that was there before is left running"))
    settings = {"count": 2, "seed": 1}
    merge_in_orders(OPCM(), make_models(), HashTaskPool(), orders=settings, log_dir=tmp_path / "here")
    with RayExecutor(2) as executor:
        merge_in_orders(
            OPCM(), make_models(), HashTaskPool(), orders=settings, log_dir=tmp_path / "tensors", executor=executor
        )
        orders = {**settings, "parallel": 2}  # on Ray, as the executor is
        merge_in_orders(
            OPCM(), make_models(), HashTaskPool(), orders=orders, log_dir=tmp_path / "orders", executor=executor
        )
        failing = Failing(1, ValueError("broken"))
        with pytest.raises(OrderError, match=r"order \d of 2 \(.*\) failed: broken\. 0 of 2 orders are finished"):
            merge_in_orders(
                OPCM(), make_models(), failing, orders=orders, log_dir=tmp_path / "failing", executor=executor
            )
    assert table_of(tmp_path / "tensors") == table_of(tmp_path / "orders") == table_of(tmp_path / "here")
    assert results(tmp_path / "orders") == results(tmp_path / "here")
