"""What the files of runs show: how far one is, its tables, and a line about each in a list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fusion_bench.cli.request import CONFIG_NAME
from fusion_bench.report import ContinualReport, EvalReport
from fusion_bench.reporting.metrics import find_metrics
from fusion_bench.reporting.run import Run
from fusion_bench.reporting.run_problems import Problem
from fusion_bench.reporting.runs import find_runs
from fusion_bench.reporting.statistics import summarise
from fusion_bench.reporting.tables import percent
from fusion_bench.utils.files import read_json

ORDER_FILE = "model_names.json"
ORDERS_FILE = "orders.json"  # of a run of several orders, which have directories of their own inside
TRACE_FILE = "trace.json"
_FIGURES = {
    "acc": "mean accuracy",
    "bwt": "backward transfer",
    "forgetting": "forgetting",
    "normalised": "normalised accuracy",
}
_GROUPS = ("modelpool", "taskpool")
SHOWN_FILES = (".json", ".yaml", ".log", ".png", ".pdf", ".csv", ".md", ".html", ".tex", ".parquet")


@dataclass(frozen=True)
class Table:
    """Rows of text under a heading each; the columns in ``words`` hold words, the others numbers."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: tuple[int, ...] = (0,)


@dataclass(frozen=True)
class Progress:
    """How many of the models have been merged, and the last one's name."""

    done: int
    total: int
    name: str = ""


def progress(log_dir: Path) -> Progress | None:
    """How far the run in ``log_dir``, or those of several orders below it, have come; None where that is not known."""
    done, total, name = 0, 0, ""
    planned = _planned(log_dir)
    for file in sorted(log_dir.rglob(ORDER_FILE)):
        try:
            names = read_json(file)
            trace = file.with_name(TRACE_FILE)
            steps = [str(step["name"]) for step in read_json(trace)] if trace.is_file() else []
        except (OSError, ValueError, TypeError, KeyError):
            continue  # no file of ours
        total, done, name = total + len(names), done + len(steps), steps[-1] if steps else name
    total = max(total, planned)
    return Progress(done, total, name) if total else None


def _planned(log_dir: Path) -> int:
    """How many models all orders of a run have together; 0 for a run of one order."""
    try:
        return sum(len(order) for order in read_json(log_dir / ORDERS_FILE))
    except (OSError, ValueError, TypeError):
        return 0


def so_far(log_dir: Path) -> ContinualReport | None:
    """The accuracy matrix as far as the steps of a run that goes on have been scored; None before the first."""
    try:
        order = [str(name) for name in read_json(log_dir / ORDER_FILE)]
        files = [(step, log_dir / f"report_{step}.json") for step in range(len(order))]
        steps = {step: EvalReport.from_dict(read_json(file)) for step, file in files if file.is_file()}
    except (OSError, ValueError, TypeError):
        return None
    scored = [name for name in order if any(name in report.scores for report in steps.values())]
    full = ContinualReport.from_steps(order, scored, steps)
    return replace(full, order=full.order[: len(steps)], accuracy=full.accuracy[: len(steps)]) if steps else None


def continual_rows(report: ContinualReport) -> Table:
    """Accuracies in percent: a row a step, a column a task."""
    rows = []
    for step, (name, accuracies) in enumerate(zip(report.order, report.accuracy, strict=True)):
        known = [value for value in accuracies if value is not None]
        mean = percent(sum(known) / len(known)) if known else ""
        rows.append((str(step), name, *map(percent, accuracies), mean))
    return Table(("step", "merged", *report.tasks, "mean"), tuple(rows), words=(0, 1))


def task_rows(report: EvalReport) -> Table:
    """Accuracy in percent and loss: a row a task, and one for their mean."""
    scores = dict(report.scores)
    if report.average is not None:
        scores["mean"] = report.average
    if report.joint is not None:
        scores["joint"] = report.joint
    rows = tuple((name, percent(score.accuracy), f"{score.loss:.3f}") for name, score in scores.items())
    return Table(("task", "accuracy, %", "loss"), rows)


def figures(runs: Sequence[Run]) -> list[tuple[str, str]]:
    """The numbers that sum up a run, each with its name; of the orders of a run their mean and standard deviation."""
    named = []
    for metric in find_metrics(_FIGURES, ()):
        known = [value for value in map(metric.value, runs) if value is not None]
        summary = summarise(known) if len(known) == len(runs) else None
        if summary is not None:
            spread = "" if summary.std is None else f" ± {percent(summary.std)}"
            named.append((_FIGURES[metric.name], f"{percent(summary.mean)}{spread} %"))
    return named


def is_of_orders(log_dir: Path) -> bool:
    """Whether the runs in ``log_dir`` are one run in several orders."""
    return (log_dir / ORDERS_FILE).is_file()


def runs_in(directory: Path) -> tuple[Sequence[Run], Sequence[Problem]]:
    """The finished runs in a directory, the latest first, and what else lies there."""
    if not directory.is_dir():
        return (), ()
    found = find_runs([directory])
    return sorted(found.runs, key=lambda run: run.written, reverse=True), found.problems


def listing(runs: Sequence[Run], root: Path) -> Table:
    """A line about each run, by its directory below ``root``."""
    rows = []
    for run in runs:
        average = run.report.average
        rows.append(
            (
                run.directory.relative_to(root).as_posix().removeprefix(f"{CONFIG_NAME}/"),
                run.method,
                str(len(run.report.scores)),
                percent(average.accuracy) if average else "",
                _settings(run),
            )
        )
    return Table(("run", "method", "tasks", "mean accuracy, %", "options"), tuple(rows), words=(0, 1, 4))


def files_of(log_dir: Path) -> list[Path]:
    """The files of a run that are worth a look, without those in directories inside it."""
    if not log_dir.is_dir():
        return []
    return sorted(path for path in log_dir.iterdir() if path.is_file() and path.suffix in SHOWN_FILES)


def _settings(run: Run) -> str:
    """What was typed besides the method and the directory, group options without their folder."""
    typed = [item.partition("=") for item in run.overrides if not item.startswith(("method=", "path."))]
    shown = [(key, value.rpartition("/")[2] if key in _GROUPS else value) for key, _, value in typed]
    return ", ".join(f"{key.removeprefix('method.')}={value}" for key, value in shown)
