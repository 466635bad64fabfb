"""The figures of a comparison: whatever its runs have the numbers for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from fusion_bench.reporting.comparison import Comparison, Group, SuiteComparison
from fusion_bench.reporting.comparison_sheets import REFERENCE, reference_accuracies
from fusion_bench.reporting.grouping import key_text
from fusion_bench.reporting.metrics import Metric, find_metrics
from fusion_bench.reporting.plots.accuracy import accuracy_over_steps
from fusion_bench.reporting.plots.files import save_figure
from fusion_bench.reporting.plots.plot import Plot
from fusion_bench.reporting.plots.series import by_task, forgetting_of, mean_curve, seen_curves, spread_curve, traced
from fusion_bench.reporting.plots.single_run import run_plots
from fusion_bench.reporting.plots.spread import alpha_ablation, order_spread
from fusion_bench.reporting.plots.style import looks
from fusion_bench.reporting.plots.tasks import forgetting_per_task, radar
from fusion_bench.reporting.plots.trace import lambda_over_steps

MOST = 7
"""Groups in one figure; of more, those with the best average accuracy."""

_GREEK = {"alpha": "α", "lambda": "λ"}
_LAMBDA = "model/lambda_t"


def comparison_plots(table: SuiteComparison) -> list[Plot]:
    """The figures that the runs of a table have the numbers for."""
    return [
        plot for part in (_of_accuracy, _of_tasks, _of_ablations, _of_traces, _of_single_runs) for plot in part(table)
    ]


def all_plots(comparison: Comparison) -> list[list[Plot]]:
    """The figures of each table of a comparison."""
    return [comparison_plots(table) for table in comparison.tables]


def write_plots(plots: Sequence[Sequence[Plot]], directory: Path) -> list[Path]:
    """Write figures as PNG and PDF, those of several tables to a directory each; the paths.

    Args:
        plots: as :func:`all_plots` gives them.
        directory: where; it is created.
    """
    written: list[Path] = []
    for number, of_table in enumerate(plots, start=1):
        place = directory / f"table_{number}" if len(plots) > 1 else directory
        for plot in of_table:
            written += save_figure(plot.figure, place / plot.name)
    return written


def best_groups(table: SuiteComparison) -> list[Group]:
    """The groups that the figures show, in the order of the table."""
    (accuracy,) = find_metrics(["acc"], ())
    ranked = sorted(table.groups, key=lambda group: -_mean(group.values(accuracy)))
    return [group for group in table.groups if group in ranked[:MOST]]


def _of_accuracy(table: SuiteComparison) -> Iterator[Plot]:
    (accuracy,) = find_metrics(["acc"], ())
    groups = best_groups(table)
    styles = looks([group.label for group in groups])
    curves = {group.label: seen_curves(group.runs) for group in groups}
    curves = {
        label: found for label, found in curves.items() if sum(value is not None for value in mean_curve(found)) > 2
    }
    if curves:
        yield Plot(
            name="accuracy_over_steps",
            title="Accuracy over steps",
            caption="Mean accuracy on the tasks merged so far" + _over_orders(groups) + _left_out(table),
            figure=accuracy_over_steps(
                {label: mean_curve(found) for label, found in curves.items()}, _spreads(curves), styles=styles
            ),
        )
    if any(len(group.values(accuracy)) > 1 for group in groups):
        yield Plot(
            name="order_spread",
            title="Spread over orders",
            caption="Average accuracy after the last step, a dot an order; bars are means and standard deviations."
            + _left_out(table),
            figure=order_spread({group.label: group.values(accuracy) for group in groups}),
        )


def _of_tasks(table: SuiteComparison) -> Iterator[Plot]:
    groups = best_groups(table)
    drops = {group.label: by_task(forgetting_of(group.runs)) for group in groups}
    drops = {label: found for label, found in drops.items() if found[0]}
    if drops:
        yield Plot(
            name="forgetting_per_task",
            title="Forgetting per task",
            caption="Best earlier accuracy minus accuracy at the end; bars are standard deviations over orders."
            + _left_out(table),
            figure=forgetting_per_task(
                {label: means for label, (means, _) in drops.items()},
                {label: spread for label, (_, spread) in drops.items()},
                styles=looks([group.label for group in groups]),
            ),
        )
    if len(table.suite.tasks) > 2:
        final = {
            group.label: by_task(
                [{task: score.accuracy for task, score in run.report.scores.items()} for run in group.runs]
            )[0]
            for group in groups
        }
        spokes = {label: {task: shares.get(task) for task in table.suite.tasks} for label, shares in final.items()}
        yield Plot(
            name="radar",
            title="Accuracy per task",
            caption="Accuracy of the final model on each task, mean over orders." + _left_out(table),
            figure=radar(spokes, {REFERENCE: reference_accuracies(table)} if reference_accuracies(table) else None),
        )


def _of_ablations(table: SuiteComparison) -> Iterator[Plot]:
    for key in table.keys:
        panels: dict[str, dict[str, dict[float, list[float]]]] = {}
        for metric, title in zip(find_metrics(["acc", "bwt"], ()), ("ACC (%)", "BWT (points)"), strict=True):
            lines = _lines(table.groups, key, metric)
            if lines:
                panels[title] = lines
        if panels:
            symbol = _GREEK.get(key, key)
            yield Plot(
                name=f"ablation_{_file_name(key)}",
                title=f"Ablation of {symbol}",
                caption="Mean over orders, standard deviation, and every order as a pale dot.",
                figure=alpha_ablation(panels, symbol=symbol),
            )


def _of_traces(table: SuiteComparison) -> Iterator[Plot]:
    groups = best_groups(table)
    styles = looks([group.label for group in groups])
    curves = {group.label: [curve for run in group.runs if (curve := traced(run, _LAMBDA))] for group in groups}
    # Other methods divide by 1 or by t, which is no result.
    curves = {
        label: found for label, found in curves.items() if any(value and value % 1 for line in found for value in line)
    }
    if curves:
        yield Plot(
            name="lambda_over_steps",
            title="λ over steps",
            caption="What the sum of the projected task vectors is divided by, against √t" + _over_orders(groups),
            figure=lambda_over_steps(
                {label: mean_curve(found) for label, found in curves.items()}, _spreads(curves), styles=styles
            ),
        )


def _of_single_runs(table: SuiteComparison) -> Iterator[Plot]:
    for number, group in enumerate(best_groups(table), start=1):
        run = next((run for run in group.runs if run.continual is not None and len(run.continual.order) > 1), None)
        if run is not None:
            yield from run_plots(run, f"group_{number}_{_file_name(group.label)}", group.label)


def _lines(groups: Sequence[Group], key: str, metric: Metric) -> dict[str, dict[float, list[float]]]:
    """By the rest of the label, by the value of ``key``: the metric of each run; only lines of three points or more."""
    lines: dict[str, dict[float, list[float]]] = {}
    for group in groups:
        value = group.keys.get(key)
        numbers = group.values(metric)
        if isinstance(value, int | float) and not isinstance(value, bool) and numbers:
            rest = ", ".join(key_text(other) for name, other in group.keys.items() if name != key and other is not None)
            lines.setdefault(rest, {})[float(value)] = numbers
    return {rest: points for rest, points in lines.items() if len(points) > 2}


def _spreads(curves: Mapping[str, Sequence[Sequence[float | None]]]) -> dict[str, list[float | None]]:
    return {label: spread_curve(found) for label, found in curves.items() if len(found) > 1}


def _over_orders(groups: Sequence[Group]) -> str:
    most = max((len(group.runs) for group in groups), default=1)
    return f", mean over up to {most} orders; bands are standard deviations." if most > 1 else ", one order."


def _left_out(table: SuiteComparison) -> str:
    return f" The best {MOST} of {len(table.groups)} groups." if len(table.groups) > MOST else ""


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def _file_name(text: str) -> str:
    return "".join(character if character.isalnum() else "_" for character in text)[:60]
