"""Which figures a comparison has, and what goes into them."""

import json
from pathlib import Path

import pytest
from run_dirs import AVERAGE, OPCM, run_config, write_run

from fusion_bench.report import ContinualReport
from fusion_bench.reporting.comparison import compare_runs
from fusion_bench.reporting.plots.comparison import MOST, all_plots, best_groups, comparison_plots, write_plots
from fusion_bench.reporting.plots.series import mean_curve, seen_accuracy, spread_curve
from fusion_bench.reporting.runs import find_runs

TASKS = ["a", "b", "c"]
ORDERS = [["a", "b", "c"], ["b", "c", "a"]]


def add_matrix(directory: Path, order: list[str], accuracy: list[list[float | None]]) -> None:
    entries = {"order": order, "tasks": order, "accuracy_matrix": accuracy}
    (directory / "continual_report.json").write_text(json.dumps(entries))


def full_matrix(order: list[str], final: dict[str, float]) -> list[list[float | None]]:
    """The lower triangle: 0.9 until the last step."""
    rows = [[0.9 if column <= step else None for column in range(len(order))] for step in range(len(order) - 1)]
    return [*rows, [final[task] for task in order]]


def table_of(root: Path, *, full: bool = True, alphas=(0.5,), trace=None):
    """OPCM with some α in two orders each, and an average."""
    for alpha in alphas:
        for number, order in enumerate(ORDERS):
            final = dict.fromkeys(TASKS, 0.5 + alpha / 10 + 0.1 * number)
            config = run_config(TASKS, OPCM | {"seed": number, "alpha": alpha})
            run = write_run(root / f"opcm_{alpha}_{number}", final, config=config, order=order)
            if full:
                add_matrix(run, order, full_matrix(order, final))
            if trace is not None:
                (run / "trace.json").write_text(json.dumps(trace))
    write_run(root / "average", dict.fromkeys(TASKS, 0.4), config=run_config(TASKS, AVERAGE), order=TASKS)
    found = find_runs([root])
    assert not [problem for problem in found.problems if problem.state != "incomplete"]
    (table,) = compare_runs(found.runs).tables
    return table


def plots_of(table):
    return {plot.name: plot for plot in comparison_plots(table)}


def test_seen_accuracy():
    report = ContinualReport(("a", "x", "b"), ("a", "b"), ((0.5, None), (None, None), (0.25, 0.75)))
    assert seen_accuracy(report) == [0.5, None, 0.5]


def test_means_and_deviations_leave_out_what_is_not_known():
    curves = [[0.5, None, 0.1], [0.7, None, None]]
    assert mean_curve(curves) == [pytest.approx(0.6), None, 0.1]
    assert spread_curve(curves) == [pytest.approx(0.1414, abs=1e-4), None, None]


def test_figures_of_runs_with_whole_matrices(tmp_path):
    plots = plots_of(table_of(tmp_path))
    opcm = next(name for name in plots if name.endswith("opcm_opcm_accuracy_matrix")).removesuffix("_accuracy_matrix")
    assert list(plots)[:4] == ["accuracy_over_steps", "order_spread", "forgetting_per_task", "radar"]
    assert f"{opcm}_task_accuracy" in plots
    axes = plots["accuracy_over_steps"].figure.axes[0]
    drawn = [line.get_ydata().tolist() for line in axes.lines]
    assert [90, 90, pytest.approx(60)] in drawn  # 0.55 and 0.65 at the end
    assert [plot.group for plot in plots.values() if plot.name.startswith(opcm)] == ["opcm/opcm"] * 2
    assert "up to 2 orders" in plots["accuracy_over_steps"].caption


def test_forgetting_of_some_tasks_only_is_not_drawn(tmp_path):
    plots = plots_of(table_of(tmp_path, full=False))
    assert "forgetting_per_task" not in plots
    assert "accuracy_over_steps" not in plots
    assert "order_spread" in plots


def test_an_option_with_three_values_is_an_ablation(tmp_path):
    plots = plots_of(table_of(tmp_path, alphas=(0.0, 0.5, 1.0)))
    axes = plots["ablation_alpha"].figure.axes
    assert [panel.get_ylabel() for panel in axes] == ["ACC (%)", "BWT (points)"]
    assert axes[-1].get_xlabel() == "α"
    assert any(line.get_xydata().tolist() == [[0, 55], [0.5, 60], [1, 65]] for line in rounded(axes[0]))
    assert "ablation_alpha" not in plots_of(table_of(tmp_path / "two", alphas=(0.0, 0.5)))


def rounded(axes):
    for line in axes.lines:
        line.set_data(line.get_xdata(), [round(float(value), 6) for value in line.get_ydata()])
    return axes.lines


def test_the_trace(tmp_path):
    rows = [
        {"step": step, "name": name, "model/task_vector_norm": 2.0 + step, "model/lambda_t": 1 + step / 3}
        for step, name in enumerate(TASKS)
    ]
    rows[1]["split_ranks"] = {"layers.0.fc.weight": 7}
    plots = plots_of(table_of(tmp_path, trace=rows))
    reference = plots["lambda_over_steps"].figure.axes[0].lines[0]
    assert reference.get_ydata()[-1] == pytest.approx(3**0.5)
    norms = next(plot for name, plot in plots.items() if name.endswith("opcm_opcm_task_vector_norms"))
    assert norms.figure.axes[0].lines[0].get_xdata().tolist() == [2, 3, 4]
    assert any(name.endswith("split_ranks") for name in plots)


@pytest.mark.parametrize(
    "trace",
    [
        [],
        [{}],
        [{"model/lambda_t": "large", "model/task_vector_norm": None, "split_ranks": [1]}] * 3,
        [{"model/lambda_t": True, "model/task_vector_norm": 1e400, "split_ranks": {"a": "x"}}],
        [{"model/task_vector_norm": 1.5}],
    ],
)
def test_a_foreign_trace_is_not_fatal(tmp_path, trace):
    plots = plots_of(table_of(tmp_path, trace=trace))
    assert "lambda_over_steps" not in plots
    write_plots([[plot for name, plot in plots.items() if "norms" in name or "ranks" in name]], tmp_path / "plots")


def test_of_many_groups_the_best_are_drawn_and_the_caption_says_so(tmp_path):
    table = table_of(tmp_path, alphas=[number / 10 for number in range(MOST + 1)])
    assert len(table.groups) == MOST + 2
    drawn = [group.keys["alpha"] for group in best_groups(table)]
    assert drawn == [number / 10 for number in range(1, MOST + 1)]
    plot = plots_of(table)["order_spread"]
    assert plot.caption.endswith(f"The best {MOST} of {MOST + 2} groups.")


def test_several_tables_have_a_directory_each(tmp_path):
    for name in ("one", "two"):
        config = run_config(TASKS, root=name)
        write_run(tmp_path / "runs" / name, dict.fromkeys(TASKS, 0.5), config=config, order=TASKS)
    comparison = compare_runs(find_runs([tmp_path / "runs"]).runs)
    written = write_plots(all_plots(comparison), tmp_path / "plots")
    assert {path.parent.name for path in written} == {"table_1", "table_2"}
    assert all(path.stat().st_size > 1000 for path in written)


def test_runs_that_merge_all_models_at_once(tmp_path):
    for number in range(2):
        config = run_config(TASKS, {"_target_": "fusion_bench.method.simple_average.SimpleAverage"}, seed=number)
        write_run(tmp_path / str(number), dict.fromkeys(TASKS, 0.5 + number / 10), config=config)
    (table,) = compare_runs(find_runs([tmp_path]).runs).tables
    assert list(plots_of(table)) == ["order_spread", "radar"]
