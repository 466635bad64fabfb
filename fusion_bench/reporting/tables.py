"""Results as plain-text tables for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from fusion_bench.report import ContinualReport, EvalReport


def continual_table(report: ContinualReport) -> str:
    """The accuracy matrix in percent: tasks as columns, steps as rows, the metrics below."""
    header = ["step", "merged", *report.tasks, "mean"]
    rows = []
    for step, (name, accuracies) in enumerate(zip(report.order, report.accuracy, strict=True)):
        known = [value for value in accuracies if value is not None]
        mean = sum(known) / len(known) if known else None
        rows.append([str(step), name, *map(percent, accuracies), percent(mean)])
    summary = [
        ("ACC", report.average_accuracy),
        ("BWT", report.backward_transfer),
        ("BWT over T", report.backward_transfer_over_all),
        ("forgetting", report.forgetting),
        ("normalised accuracy", report.normalised_accuracy),
    ]
    line = "   ".join(f"{name} {percent(value)}" for name, value in summary if value is not None)
    return "\n".join(part for part in (text_table(header, rows, left=2), line) if part)


def eval_table(report: EvalReport) -> str:
    """One row: accuracy in percent on every task, the mean, and the joint accuracy where it was measured."""
    if report.average is None:
        return f"{report.model_info.all_params:,} parameters; no task was scored"
    header = [*report.scores, "mean"]
    row = [percent(score.accuracy) for score in report.scores.values()] + [percent(report.average.accuracy)]
    if report.joint is not None:
        header, row = [*header, "joint"], [*row, percent(report.joint.accuracy)]
    return text_table(header, [row], left=0)


def percent(value: float | None) -> str:
    """A share as a percentage with one decimal; an empty string for None."""
    return "" if value is None else f"{100 * value:.1f}"


def text_table(header: Sequence[str], rows: Sequence[Sequence[str]], *, left: int) -> str:
    """Align columns with two spaces between; the first ``left`` columns to the left, the others to the right."""
    lines = [list(header), *map(list, rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]

    def line(cells: Sequence[str]) -> str:
        return "  ".join(
            cell.ljust(width) if index < left else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ).rstrip()

    return "\n".join([line(lines[0]), "  ".join("-" * width for width in widths), *map(line, lines[1:])])
