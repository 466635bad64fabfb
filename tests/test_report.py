"""Reports: JSON form, round trip, and the continual metrics by hand."""

import json

import numpy as np
import pytest

from fusion_bench.report import ContinualReport, EvalReport, ModelInfo, TaskScore


def eval_report(**accuracies: float) -> EvalReport:
    return EvalReport(ModelInfo(3, 4), {task: TaskScore(value, 1 - value) for task, value in accuracies.items()})


def test_json_form_of_an_evaluation():
    entries = eval_report(a=0.5, b=0.75).to_dict()
    assert entries == {
        "model_info": {"trainable_params": 3, "all_params": 4, "trainable_percentage": 0.75},
        "a": {"accuracy": 0.5, "loss": 0.5},
        "b": {"accuracy": 0.75, "loss": 0.25},
        "average": {"accuracy": 0.625, "loss": 0.375},
    }


def test_report_reads_like_its_json_form():
    report = eval_report(a=0.5, b=0.75)
    assert report["average"]["accuracy"] == 0.625
    assert list(report) == ["model_info", "a", "b", "average"]
    assert EvalReport.from_dict(json.loads(json.dumps(report.to_dict()))) == report


def test_report_without_tasks_has_no_average():
    assert list(EvalReport(ModelInfo(1, 1, "x"))) == ["model_info"]


@pytest.mark.parametrize("entries", [{}, {"model_info": 3}, {"model_info": {"trainable_params": 1}}])
def test_foreign_json_is_refused(entries):
    with pytest.raises(ValueError, match="not an evaluation report"):
        EvalReport.from_dict(entries)


MATRIX = np.array([[0.9, 0, 0], [0.7, 0.8, 0], [0.75, 0.6, 0.95]])


def continual(plan: str = "seen") -> ContinualReport:
    steps = {}
    for t in range(3):
        cells = {"seen": range(t + 1), "diagonal": [t] if t < 2 else range(3), "all": range(3)}[plan]
        steps[t] = eval_report(**{"xyz"[i]: float(MATRIX[t, i]) for i in cells})
    return ContinualReport.from_steps("xyz", ["z", "y", "x"], steps, {"x": 0.9, "y": 0.8, "z": 1.0})


def test_metrics_by_hand():
    report = continual()
    assert report.tasks == ("x", "y", "z")  # order of arrival, whatever the pool's order
    assert report.accuracy[0] == (0.9, None, None)
    assert report.average_accuracy == pytest.approx((0.75 + 0.6 + 0.95) / 3)
    assert report.backward_transfer == pytest.approx(((0.75 - 0.9) + (0.6 - 0.8)) / 2)
    assert report.backward_transfer_over_all == pytest.approx(((0.75 - 0.9) + (0.6 - 0.8)) / 3)
    assert report.forgetting == pytest.approx(((0.9 - 0.75) + (0.8 - 0.6)) / 2)
    assert report.normalised_accuracy == pytest.approx((0.75 / 0.9 + 0.6 / 0.8 + 0.95) / 3)


def test_diagonal_plan_gives_the_same_acc_and_bwt_but_no_forgetting_of_the_first_task():
    report, full = continual("diagonal"), continual()
    assert report.average_accuracy == full.average_accuracy
    assert report.backward_transfer == full.backward_transfer
    assert report.forgetting is None
    assert report.forgetting_per_task == {"y": pytest.approx(0.2)}


def test_forgetting_counts_the_best_earlier_step():
    steps = {0: eval_report(x=0.5, y=0.1), 1: eval_report(x=0.8, y=0.9), 2: eval_report(x=0.6, y=0.9)}
    report = ContinualReport.from_steps(["x", "q", "y"], ["x", "y"], steps)
    assert report.forgetting == pytest.approx(0.8 - 0.6)


def test_one_task_has_no_backward_transfer():
    report = ContinualReport.from_steps(["x"], ["x"], {0: eval_report(x=0.5)})
    assert report.average_accuracy == 0.5
    assert report.backward_transfer is report.forgetting is report.normalised_accuracy is None


def test_continual_round_trip():
    report = continual()
    entries = json.loads(json.dumps(report.to_dict()))
    assert entries["accuracy_matrix"][1] == [0.7, 0.8, None]
    assert ContinualReport.from_dict(entries) == report
    with pytest.raises(ValueError, match="not a continual report"):
        ContinualReport.from_dict({"order": []})
