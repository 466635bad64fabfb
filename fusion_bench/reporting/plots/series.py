"""Numbers of a group of runs as curves: means over its runs and standard deviations around them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from fusion_bench.report import ContinualReport
from fusion_bench.reporting.run import Run
from fusion_bench.reporting.statistics import summarise

Curve = list[float | None]


def seen_accuracy(report: ContinualReport) -> Curve:
    """The mean accuracy, after each step, on the tasks merged so far; None where one was not measured."""
    arrival = [report.order.index(task) for task in report.tasks]
    curve: Curve = []
    for step, row in enumerate(report.accuracy):
        seen = [value for value, at in zip(row, arrival, strict=True) if at <= step]
        known = [value for value in seen if value is not None]
        curve.append(math.fsum(known) / len(known) if known and len(known) == len(seen) else None)
    return curve


def seen_curves(runs: Sequence[Run]) -> list[Curve]:
    """That of each continual run; of those that measured all of it, if there are any."""
    curves = [seen_accuracy(run.continual) for run in runs if run.continual is not None and run.continual.tasks]
    return [curve for curve in curves if None not in curve] or curves


def forgetting_of(runs: Sequence[Run]) -> list[dict[str, float]]:
    """Forgetting by task of each run that knows it for all tasks; of some only, it would be of the latest ones."""
    reports = [run.continual for run in runs if run.continual is not None]
    return [report.forgetting_per_task for report in reports if report.forgetting is not None]


def traced(run: Run, key: str) -> Curve:
    """A number that the method reported about each step, None where it did not; empty where it has no such number."""
    curve = [_number(row.get(key)) for row in run.trace or ()]
    return curve if any(value is not None for value in curve) else []


def traced_ranks(run: Run) -> dict[str, Curve]:
    """The split rank of each weight at each step; None where nothing was projected."""
    found = [row.get("split_ranks") for row in run.trace or ()]
    rows = [row if isinstance(row, Mapping) else {} for row in found]
    weights = list(dict.fromkeys(name for row in rows for name in row))
    return {name: [_number(row.get(name)) for row in rows] for name in weights}


def _number(value: object) -> float | None:
    known = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if known else None  # type: ignore[arg-type]


def mean_curve(curves: Sequence[Sequence[float | None]]) -> Curve:
    """The mean at each step over those curves that are known there."""
    return [summary.mean if (summary := summarise(known)) else None for known in _by_step(curves)]


def spread_curve(curves: Sequence[Sequence[float | None]]) -> Curve:
    """The standard deviation at each step (divisor n - 1); None where fewer than two curves are known."""
    return [summary.std if (summary := summarise(known)) else None for known in _by_step(curves)]


def by_task(values: Sequence[Mapping[str, float]]) -> tuple[dict[str, float | None], dict[str, float | None]]:
    """Means and standard deviations over runs, by task; the latter are None for fewer than two numbers."""
    tasks = list(dict.fromkeys(task for one in values for task in one))
    summaries = {task: summarise([one[task] for one in values if task in one]) for task in tasks}
    known = {task: summary for task, summary in summaries.items() if summary is not None}
    return {task: summary.mean for task, summary in known.items()}, {task: one.std for task, one in known.items()}


def _by_step(curves: Sequence[Sequence[float | None]]) -> list[list[float]]:
    length = max(map(len, curves), default=0)
    rows = ([curve[step] for curve in curves if step < len(curve)] for step in range(length))
    return [[value for value in row if value is not None] for row in rows]
