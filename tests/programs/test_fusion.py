"""The program: files of a run, reports, loggers, overwriting, dry runs."""

import json
import logging
import socket

import pytest
from helpers import HashTaskPool
from hydra.errors import InstantiationException
from omegaconf import OmegaConf
from safetensors.torch import load_file

from fusion_bench.programs.fusion import FabricModelFusionProgram, individual_accuracies
from fusion_bench.report import EvalReport

POOL = {
    "_target_": "fusion_bench.modelpool.BaseModelPool",
    "models": {
        name: {"_target_": "helpers.make_model", "seed": i} for i, name in enumerate(["_pretrained_", "a", "b"])
    },
}
OPCM = {"_target_": "fusion_bench.method.opcm.opcm.OPCMForCLIP", "alpha": 0.5, "shuffle_order": False}
TASKS = {"_target_": "helpers.HashTaskPool", "task_names": ["a", "b"]}
DUMMY = {"_target_": "fusion_bench.method.dummy.Dummy"}


def program(log_dir, **changes) -> FabricModelFusionProgram:
    settings = {
        "method": OPCM,
        "modelpool": POOL,
        "taskpool": TASKS,
        "fabric": {"_target_": "lightning.Fabric", "devices": 1, "accelerator": "cpu"},
        "path": {"log_dir": str(log_dir)},
        "print_config": False,
    }
    return FabricModelFusionProgram(**{**settings, **changes})


def test_files_of_a_run(tmp_path):
    report = program(tmp_path).run()
    assert {p.name for p in tmp_path.iterdir()} >= {
        "config.yaml", "overrides.yaml", "cli.log", "program_report.json", "model_names.json", "report_0.json",
        "report_1.json", "continual_report.json", "checkpoints", "trace.json",
    }  # fmt: skip
    written = json.loads((tmp_path / "program_report.json").read_text())
    assert written == report.to_dict() == json.loads((tmp_path / "report_1.json").read_text())
    config = OmegaConf.load(tmp_path / "config.yaml")
    assert config.method == OPCM
    assert config.modelpool == POOL
    log = (tmp_path / "cli.log").read_text()
    assert "ACC" in log
    assert str(tmp_path) in log
    assert "merging" in log


def test_final_model_is_scored_once_by_one_task_pool(tmp_path, monkeypatch):
    calls = []
    evaluate = HashTaskPool.evaluate

    def counting(self, model, name=None, *, tasks=None):
        calls.append(tuple(tasks) if tasks is not None else None)
        return evaluate(self, model, name, tasks=tasks)

    monkeypatch.setattr(HashTaskPool, "evaluate", counting)
    program(tmp_path).run()
    assert calls == [("a",), ("a", "b")]


@pytest.mark.parametrize("value", [None, False, ""])
def test_report_can_be_switched_off(tmp_path, value):
    assert program(tmp_path, report_save_path=value).run() is not None
    assert not (tmp_path / "program_report.json").exists()


def test_report_under_a_bare_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    program(tmp_path / "run", report_save_path="mine.json").run()
    assert EvalReport.from_dict(json.loads((tmp_path / "mine.json").read_text())).scores
    with pytest.raises(ValueError, match="report_save_path must be a path"):
        program(tmp_path, report_save_path=True)


def test_merged_model_is_saved_with_keyword_arguments(tmp_path):
    program(tmp_path, merged_model_save_path="{log_dir}/final", merged_model_save_kwargs={}).run()
    final = load_file(tmp_path / "final" / "model.safetensors")
    last = load_file(tmp_path / "checkpoints" / "merged_model_1" / "model.safetensors")
    assert all((final[name] == last[name]).all() for name in last)


def test_dry_run_loads_and_writes_nothing(tmp_path, monkeypatch):
    broken = {"_target_": "helpers.make_model", "seed": "not even a number"}
    pool = {"_target_": "fusion_bench.modelpool.BaseModelPool", "models": {"a": broken}}
    assert program(tmp_path / "run", modelpool=pool, dry_run=True).run() is None
    assert not (tmp_path / "run").exists()


def test_a_run_is_not_overwritten(tmp_path):
    program(tmp_path, method=DUMMY).run()
    with pytest.raises(FileExistsError, match=r"already holds a run \(program_report.json\). Add resume=true"):
        program(tmp_path, method=DUMMY).run()
    program(tmp_path, method=DUMMY, resume=True).run()


def test_resumed_program_ends_with_the_same_report(tmp_path):
    program(tmp_path / "x").run()
    before = (tmp_path / "x" / "program_report.json").read_bytes()
    config = (tmp_path / "x" / "config.yaml").read_bytes()
    program(tmp_path / "x", resume=True).run()
    assert (tmp_path / "x" / "program_report.json").read_bytes() == before
    assert (tmp_path / "x" / "config.yaml").read_bytes() == config


def test_traceback_of_a_failed_run_is_in_its_log(tmp_path):
    with pytest.raises(InstantiationException, match="alpha"):
        program(tmp_path, method={**OPCM, "alpha": 2}).run()
    assert "Traceback" in (tmp_path / "cli.log").read_text()


@pytest.mark.parametrize("shown", [True, False])
def test_function_calls_are_printed_when_asked_for(tmp_path, caplog, shown):
    with caplog.at_level(logging.INFO):
        program(tmp_path, method=DUMMY, print_function_call=shown).run()
    assert ("method = fusion_bench.method.dummy.Dummy()" in caplog.text) == shown


def test_config_is_printed_as_a_tree(tmp_path, caplog):
    with caplog.at_level(logging.INFO):
        program(tmp_path, print_config=True, dry_run=True).run()
    assert "alpha" in caplog.text
    assert "{" not in caplog.text.split("alpha")[0].split("method")[-1]


LOGGERS = {
    "tensorboard": ("lightning.fabric.loggers.TensorBoardLogger", "events.out.tfevents*"),
    "csv": ("lightning.fabric.loggers.CSVLogger", "metrics.csv"),
}


@pytest.mark.parametrize("kind", LOGGERS)
def test_scalars_reach_the_logger(tmp_path, kind):
    target, pattern = LOGGERS[kind]
    fabric = {
        "_target_": "lightning.Fabric",
        "devices": 1,
        "accelerator": "cpu",
        "loggers": {"_target_": target, "root_dir": str(tmp_path / "log"), "name": "x", "version": 0},
    }
    program(tmp_path / "run", fabric=fabric).run()
    files = list((tmp_path / "log").rglob(pattern))
    assert files
    content = scalars(files, kind)
    assert {"model/task_vector_norm", "model/avg_task_vector_norm", "model/merged_task_vector_norm"} <= content
    assert {"model/lambda_t", "empirical/lambda_t", "continual/ACC", "continual/BWT", "accuracy/a"} <= content


def scalars(files, kind):
    if kind == "csv":
        return set(files[0].read_text().splitlines()[0].split(","))
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    names = set()
    for file in files:
        names |= set(EventAccumulator(str(file)).Reload().Tags()["scalars"])
    return names


@pytest.mark.parametrize("taskpool", [None, {"_target_": "fusion_bench.taskpool.DummyTaskPool"}])
def test_no_task_pool_is_needed(tmp_path, taskpool):
    report = program(tmp_path, taskpool=taskpool).run()
    assert (report is None) if taskpool is None else (list(report) == ["model_info"])


def test_network_is_never_touched(tmp_path, monkeypatch):
    def refuse(*arguments, **keywords):
        raise AssertionError("a run on local files opened a connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert program(tmp_path).run()


def test_individual_accuracies(tmp_path):
    assert individual_accuracies(None) == {}
    assert individual_accuracies({"a": 0.5}) == {"a": 0.5}
    path = tmp_path / "r.json"
    path.write_text(json.dumps({"model_info": {}, "a": {"accuracy": 0.25, "loss": 1}, "average": {"accuracy": 1}}))
    assert individual_accuracies(str(path)) == {"a": 0.25}
    with pytest.raises(ValueError, match=r"individual_accuracy of 'a' must be a number in 0..1, got 50"):
        individual_accuracies({"a": 50})


@pytest.mark.usefixtures("toy_suite")
def test_individual_accuracies_of_a_shipped_suite():
    assert individual_accuracies("toys/individual.json") == {"mnist": 0.75, "emoji": 0.5}
    with pytest.raises(FileNotFoundError, match=r"toys/other\.json"):
        individual_accuracies("toys/other.json")


def test_normalised_accuracy_uses_them(tmp_path):
    program(tmp_path, individual_accuracy={"a": 0.5, "b": 0.5}).run()
    report = json.loads((tmp_path / "continual_report.json").read_text())
    assert report["normalised_accuracy"] == pytest.approx(report["ACC"] / 0.5)


def test_dry_run_finds_values_out_of_range(tmp_path):
    with pytest.raises(InstantiationException, match=r"alpha must be in \[0, 1\], got 2"):
        program(tmp_path / "run", method={**OPCM, "alpha": 2}, dry_run=True).run()
