"""Results beside published ones."""

import pytest
from run_dirs import OPCM, SIMPLE, run_config, write_run
from suite_table import TASKS

from fusion_bench.reporting.comparison import compare_runs
from fusion_bench.reporting.published_match import published_differences, published_sheet, why_nothing_is_published
from fusion_bench.reporting.runs import find_runs
from fusion_bench.reporting.sheets import cell_text

TA8 = TASKS[:8]
BASE = "openai/clip-vit-base-patch32"


def write(directory, accuracy, method=OPCM, order=None, backbone=BASE, tasks=TA8, learnt=0.8, **changes):
    """A run on TA8 whose tasks all have one accuracy."""
    config = run_config(tasks, method, backbone=backbone, root="data", **changes)
    diagonal = dict.fromkeys(tasks, learnt)
    return write_run(directory, dict.fromkeys(tasks, accuracy), config=config, order=order, learnt=diagonal)


def differences(directory):
    found = find_runs([directory])
    assert found.problems == ()
    return published_differences(compare_runs(found.runs))


def matched(directory):
    return [item for item in differences(directory) if item.mean is not None]


@pytest.mark.parametrize(
    ("accuracy", "verdict"),
    [
        (0.755, "within 0.5"),
        (0.760, "within 0.5"),
        (0.750, "within 0.5"),
        (0.7601, "NOT within 0.5"),
        (0.7, "NOT within 0.5"),
    ],
)
def test_the_mean_must_lie_within_half_a_point(tmp_path, accuracy, verdict):
    write(tmp_path, accuracy, order=TA8)
    acc, _ = matched(tmp_path)
    assert (acc.published.method, acc.published.metric, acc.published.mean) == ("OPCM", "average accuracy", 75.5)
    assert acc.mean == pytest.approx(accuracy)
    assert acc.difference == pytest.approx(accuracy - 0.755)
    assert acc.verdict == verdict


def test_means_and_deviations_over_orders_and_backward_transfer(tmp_path):
    write(tmp_path / "one", 0.75, order=TA8)
    write(tmp_path / "two", 0.76, order=TA8[::-1])
    acc, bwt = matched(tmp_path)
    assert (acc.mean, acc.std) == pytest.approx((0.755, 0.01 / 2**0.5))
    assert (bwt.published.metric, bwt.published.mean, bwt.mean) == ("backward transfer", -6.3, pytest.approx(-0.045))


def test_other_options_than_published_are_said(tmp_path):
    write(tmp_path / "one", 0.755, OPCM | {"alpha": 0.3}, order=TA8)
    acc, _ = matched(tmp_path)
    assert acc.verdict == "published with alpha 0.5"


def test_options_may_depend_on_the_suite(tmp_path):
    target = "fusion_bench.method.opcm.task_arithmetic.ContinualTaskArithmetic"
    for count, factor, expected in ((8, 0.3, True), (14, 0.1, True), (14, 0.3, False)):
        place = tmp_path / f"{count}_{factor}"
        write(place, 0.6, {"_target_": target, "scaling_factor": factor}, order=TASKS[:count], tasks=TASKS[:count])
        verdict = matched(place)[0].verdict
        assert ("within" in verdict) == expected
        assert expected or verdict == "published with scaling_factor 0.1"


def test_methods_that_merge_all_at_once_and_the_individual_models(tmp_path):
    write(tmp_path, 0.665, SIMPLE, individual_accuracy=dict.fromkeys(TA8, 0.904))
    fine_tuned, simple = matched(tmp_path)
    assert (fine_tuned.published.method, fine_tuned.group, fine_tuned.verdict) == ("Fine-tuned", None, "within 0.5")
    assert (simple.published.method, simple.published.setting) == ("Simple averaging", "all at once")


def test_the_dummy_method_is_the_pretrained_model_only_with_that_model(tmp_path):
    dummy = {"_target_": "fusion_bench.method.dummy.Dummy"}
    write(tmp_path / "pretrained", 0.481, dummy)
    assert [item.published.method for item in matched(tmp_path / "pretrained")] == ["Pre-trained"]
    write(tmp_path / "tuned", 0.481, dummy, modelpool={"models": {"_pretrained_": f"{BASE}_sun397"}})
    assert matched(tmp_path / "tuned") == []


def test_published_results_without_a_run_stand_there_alone(tmp_path):
    write(tmp_path, 0.755, order=TA8)
    found = differences(tmp_path)
    magmax = [item for item in found if item.published.method == "MagMax-Ind"]
    assert [(item.group, item.mean, item.difference, item.verdict) for item in magmax] == [(None, None, None, "")] * 2
    sheet = published_sheet(found)
    row = next(row for row in sheet.rows if row[0] == "MagMax-Ind")
    assert [cell_text(cell, 1) for cell in row] == ["MagMax-Ind", "ACC", "", "", "70.7 ± 0.0", "", ""]
    assert any("arXiv 2505.11883" in note for note in sheet.notes)


@pytest.mark.parametrize(
    "changes",
    [{"tasks": TASKS[:7]}, {"backbone": "openai/clip-vit-huge"}, {"tasks": TASKS[:10]}, {"fast_dev_run": True}],
)
def test_nothing_to_compare_with_is_said(tmp_path, changes):
    tasks = changes.get("tasks", TA8)
    write(tmp_path, 0.755, order=tasks, **changes)
    comparison = compare_runs(find_runs([tmp_path]).runs)
    assert published_differences(comparison) == []
    message = why_nothing_is_published(comparison)
    assert "there are some for TA8, TALL14, TALL20 with clip-vit-base-patch32" in message
    assert comparison.tables[0].title in message


def test_two_suites_in_one_table_are_named(tmp_path):
    write(tmp_path / "b32", 0.755, order=TA8)
    write(tmp_path / "b16", 0.818, order=TA8, backbone="openai/clip-vit-base-patch16")
    sheet = published_sheet(differences(tmp_path))
    assert sheet.header[:2] == ("suite", "backbone")
    assert {row[1] for row in sheet.rows} == {"clip-vit-base-patch32", "clip-vit-base-patch16"}
