"""The tables of an HTML report as values: columns, and cells with what they are sorted by."""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path

from fusion_bench.reporting.comparison import Group, SuiteComparison
from fusion_bench.reporting.grouping import key_text
from fusion_bench.reporting.metrics import METRICS, Metric, average_accuracy, find_metrics
from fusion_bench.reporting.run import Run

ABSENT = "–"


@dataclass(frozen=True)
class Cell:
    """One cell.

    Args:
        text: what is read.
        sort: what rows are sorted by; None sorts last.
        rank: 1 for the best number of a column, 2 for the second, else 0.
        title: more about it, shown on hovering.
    """

    text: str
    sort: float | str | None = None
    rank: int = 0
    title: str = ""


@dataclass(frozen=True)
class Column:
    """The head of a column; ``numeric`` ones are set flush right."""

    title: str
    numeric: bool = False
    hint: str = ""


@dataclass(frozen=True)
class HtmlTable:
    """A table with the name of each row in its first column.

    Args:
        key: its identifier on the page.
        title: its heading.
        caption: what it shows, a sentence or two.
        columns: their heads.
        rows: as many cells each as there are columns.
    """

    key: str
    title: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]


def results_table(table: SuiteComparison, key: str) -> HtmlTable:
    """A row a group, a column a metric that some group has."""
    metrics = [metric for metric in METRICS if any(group.values(metric) for group in table.groups)]
    caption = (
        "In percent; BWT and forgetting in percentage points. Mean ± standard deviation over the runs of a group, one "
        "for each order. Bold: best of a column; underlined: second."
    )
    return _of_groups(table, metrics, HtmlTable(key, "Results", caption, (), ()))


def tasks_table(table: SuiteComparison, key: str) -> HtmlTable:
    """A row a group, a column a task."""
    caption = "Accuracy of the final model on each task in percent, mean ± standard deviation over the runs of a group."
    return _of_groups(table, find_metrics(["tasks"], table.suite.tasks), HtmlTable(key, "Each task", caption, (), ()))


def _of_groups(table: SuiteComparison, metrics: Sequence[Metric], empty: HtmlTable) -> HtmlTable:
    keys = list(table.keys) or ["method"]
    columns = [*(Column(name) for name in keys), Column("runs", True, "orders or seeds that were run")]
    columns += [
        Column(metric.title, True, "lower is better" if not metric.higher_is_better else "") for metric in metrics
    ]
    means = {metric: [_mean(group.values(metric)) for group in table.groups] for metric in metrics}
    rows = []
    for number, group in enumerate(table.groups):
        cells = [_text(key_text(group.keys.get(name))) for name in keys]
        cells.append(Cell(str(len(group.runs)), len(group.runs)))
        cells += [_number(group, metric, _ranks(means[metric], metric)[number]) for metric in metrics]
        rows.append(tuple(cells))
    return replace(empty, columns=tuple(columns), rows=tuple(rows))


def _number(group: Group, metric: Metric, rank: int) -> Cell:
    values = group.values(metric)
    if not values:
        return Cell(ABSENT)
    mean = 100 * statistics.fmean(values)
    text = f"{mean:+.1f}" if metric.signed else f"{mean:.1f}"
    if len(values) > 1:
        text += f" ± {100 * statistics.stdev(values):.1f}"
    each = ", ".join(f"{100 * value:.2f}" for value in values)
    return Cell(text, mean, rank, f"{len(values)} of {len(group.runs)} runs: {each}")


def _ranks(means: Sequence[float | None], metric: Metric) -> list[int]:
    """1 for the best, 2 for the next worse; equals, to the digit that is shown, share a place."""
    shown = [None if mean is None else round(100 * mean, 1) * (1 if metric.higher_is_better else -1) for mean in means]
    known = sorted({value for value in shown if value is not None}, reverse=True)
    if len(known) < 2:
        return [0] * len(shown)
    return [0 if value is None else known.index(value) + 1 if value in known[:2] else 0 for value in shown]


def runs_table(table: SuiteComparison, key: str) -> HtmlTable:
    """A row a run: where it is, which order it had, what it reached and how long it took."""
    runs = [(group, run) for group in table.groups for run in group.runs]
    root = _root([run.directory for _, run in runs])
    (bwt,) = find_metrics(["bwt"], ())
    columns = (
        Column("run", hint=f"directory below {root}"),
        *(Column("group"), Column("seed", True), Column("order"), Column("ACC", True), Column("BWT", True)),
        *(Column("time", True, "all sessions together"), Column("finished")),
    )
    rows = [
        (
            Cell(os.path.relpath(run.directory, root), str(run.directory), title=str(run.directory)),
            _text(group.label),
            Cell(ABSENT if run.seed is None else str(run.seed), run.seed),
            _text(" → ".join(run.order or ())),
            _share(average_accuracy(run), "{:.2f}"),
            _share(bwt.value(run), "{:+.2f}"),
            _duration(run),
            _finished(run),
        )
        for group, run in runs
    ]
    return HtmlTable(key, "Runs", f"Every run that was counted. Directories are below {root}.", columns, tuple(rows))


def _root(directories: Sequence[Path]) -> Path:
    return Path(os.path.commonpath([directory.absolute().parent for directory in directories]))


def _share(value: float | None, form: str) -> Cell:
    return Cell(ABSENT) if value is None else Cell(form.format(100 * value), value)


def _text(text: str) -> Cell:
    return Cell(text, text) if text else Cell(ABSENT)


def _duration(run: Run) -> Cell:
    seconds = session_seconds(run)
    return Cell(ABSENT) if seconds is None else Cell(duration_text(seconds), seconds)


def session_seconds(run: Run) -> float | None:
    """Seconds from start to end of every session of a run; None where one has no end, or none was recorded."""
    total = 0.0
    for session in run.sessions:
        try:
            total += (_time(session["end"]) - _time(session["start"])).total_seconds()
        except (KeyError, TypeError, ValueError):
            return None
    return total if run.sessions else None


def duration_text(seconds: float) -> str:
    """``45 s``, ``12 min 5 s`` or ``3 h 20 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    return f"{whole // 60} min {whole % 60} s" if whole < 3600 else f"{whole // 3600} h {whole % 3600 // 60} min"


def _finished(run: Run) -> Cell:
    time = datetime.fromtimestamp(run.written, tz=timezone.utc)
    return Cell(f"{time:%Y-%m-%d %H:%M} UTC", run.written)


_time: Callable[[str], datetime] = datetime.fromisoformat


def _mean(values: Sequence[float]) -> float | None:
    return statistics.fmean(values) if values else None
