"""The metrics of a run by name."""

import json
from pathlib import Path

import pytest
from run_dirs import SIMPLE, run_config

from fusion_bench.report import ContinualReport, EvalReport, ModelInfo, TaskScore
from fusion_bench.reporting.metrics import METRICS, find_metrics, individual_accuracy
from fusion_bench.reporting.run import Run

SCORES = {"a": TaskScore(0.5, 1.0), "b": TaskScore(0.75, 1.0)}
MATRIX = ContinualReport(("b", "a"), ("b", "a"), ((0.9, None), (0.75, 0.5)), {"a": 1.0, "b": 0.75})


def make(continual=None, joint=None, **config):
    report = EvalReport(ModelInfo(1, 1), SCORES, joint=joint)
    return Run(directory=Path("x"), config=run_config("ab", SIMPLE, **config), report=report, continual=continual)


def values(run):
    return {metric.name: metric.value(run) for metric in METRICS}


def test_of_a_continual_run():
    assert values(make(MATRIX, TaskScore(0.25, 1.0))) == {
        "acc": 0.625,
        "bwt": pytest.approx(-0.15),
        "bwt_over_t": pytest.approx(-0.075),
        "forgetting": pytest.approx(0.15),
        "normalised": pytest.approx((0.5 + 1.0) / 2),
        "joint": 0.25,
    }


def test_what_a_run_does_not_have_is_none_and_not_zero():
    assert values(make()) == dict.fromkeys(values(make())) | {"acc": 0.625}
    run = Run(directory=Path("x"), config=run_config("", SIMPLE), report=EvalReport(ModelInfo(1, 1)))
    assert values(run) == dict.fromkeys(values(run))


@pytest.mark.parametrize("form", ["mapping", "file", "report"])
def test_individual_accuracies_as_the_run_was_given_them(tmp_path, form):
    entries = {"a": 1.0, "b": 0.75}
    if form == "report":
        entries = {task: {"accuracy": value} for task, value in entries.items()} | {"average": {"accuracy": 0.9}}
    source = entries
    if form != "mapping":
        source = str(tmp_path / "individual.json")
        (tmp_path / "individual.json").write_text(json.dumps(entries))
    run = make(individual_accuracy=source)
    assert individual_accuracy(run) == {"a": 1.0, "b": 0.75}
    assert values(run)["normalised"] == pytest.approx((0.5 + 1.0) / 2)


@pytest.mark.parametrize("source", [{"a": 1.0}, {"a": 1.0, "b": 0.0}, "/nowhere.json", 3, {"a": "x", "b": 1.0}])
def test_normalised_accuracy_needs_all_individual_accuracies(source):
    assert values(make(individual_accuracy=source))["normalised"] is None


def test_individual_accuracies_of_a_shipped_suite():
    found = individual_accuracy(make(individual_accuracy="tiny8/individual.json"))
    assert len(found) == 8
    assert all(0 < value <= 1 for value in found.values())


def test_names():
    found = find_metrics(["bwt", "tasks", "b", "acc", "bwt"], ["a", "b"])
    assert [metric.name for metric in found] == ["bwt", "a", "b", "acc"]
    assert found[1].value(make()) == 0.5
    assert find_metrics(["c"], ["c"])[0].value(make()) is None
    with pytest.raises(ValueError, match=r"no metric 'accuracy'; there are acc, bwt, .*, tasks, and each task by"):
        find_metrics(["accuracy"], ["a"])
