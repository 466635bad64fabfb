"""The numbers of a run that are compared, by the names used on the command line."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from fusion_bench.report import RESERVED_NAMES
from fusion_bench.reporting.run import Run
from fusion_bench.suites.shipped import local_file
from fusion_bench.utils.files import read_json

TASKS = "tasks"  # stands for one metric a task


@dataclass(frozen=True)
class Metric:
    """One number of a run, a share in 0..1 or a difference of such.

    Args:
        name: as on the command line.
        title: as the head of a column.
        value: the number of a run; None where the run does not have it.
        higher_is_better: which end is the best.
        signed: whether it is a difference, written with its sign.
        needs: what a run must be given to have it.
    """

    name: str
    title: str
    value: Callable[[Run], float | None]
    higher_is_better: bool = True
    signed: bool = False
    needs: str = ""


def average_accuracy(run: Run) -> float | None:
    """Mean accuracy over the tasks, the same for every order of adding them up; None where no task was scored."""
    scores = run.report.scores
    return math.fsum(score.accuracy for score in scores.values()) / len(scores) if scores else None


def normalised_accuracy(run: Run) -> float | None:
    """Mean of accuracy over individual accuracy; None unless it is known for every task and not 0."""
    individual = individual_accuracy(run)
    scores = run.report.scores
    if not scores or not all(individual.get(task) for task in scores):
        return None
    return math.fsum(score.accuracy / individual[task] for task, score in scores.items()) / len(scores)


def individual_accuracy(run: Run) -> dict[str, float]:
    """Accuracy of the fine-tuned model of each task, as the run was given it; empty where it was not or is lost."""
    if run.continual is not None and run.continual.individual:
        return dict(run.continual.individual)
    entries: Any = run.config.get("individual_accuracy")
    if isinstance(entries, str):
        try:
            entries = read_json(local_file(Path(entries) if Path(entries).is_absolute() else entries))
        except (OSError, ValueError):
            return {}
    if not isinstance(entries, Mapping):
        return {}
    found = {task: _accuracy(entry) for task, entry in entries.items() if task not in RESERVED_NAMES}
    return {task: value for task, value in found.items() if value is not None}


def _accuracy(entry: Any) -> float | None:
    value = entry.get("accuracy") if isinstance(entry, Mapping) else entry
    return float(value) if isinstance(value, int | float) else None


def _task_accuracy(task: str, run: Run) -> float | None:
    score = run.report.scores.get(task)
    return score.accuracy if score is not None else None


def _joint(run: Run) -> float | None:
    return run.report.joint.accuracy if run.report.joint is not None else None


def _continual(name: str, run: Run) -> float | None:
    value: float | None = getattr(run.continual, name) if run.continual is not None else None
    return value


_MATRIX = "a continual method with method.evaluate=diagonal or seen"
METRICS = (
    Metric("acc", "ACC", average_accuracy, needs="a task pool"),
    Metric("bwt", "BWT", partial(_continual, "backward_transfer"), signed=True, needs=_MATRIX),
    Metric("bwt_over_t", "BWT over T", partial(_continual, "backward_transfer_over_all"), signed=True, needs=_MATRIX),
    Metric(
        "forgetting",
        "forgetting",
        partial(_continual, "forgetting"),
        higher_is_better=False,
        needs="a continual method with method.evaluate=seen",
    ),
    Metric("normalised", "normalised", normalised_accuracy, needs="individual_accuracy"),
    Metric("joint", "joint", _joint, needs="a task pool that scores all tasks together"),
)


def find_metrics(names: Iterable[str], tasks: Sequence[str]) -> list[Metric]:
    """The metrics of these names, each once; ``tasks`` gives that of every task, the name of a task that of its own.

    Args:
        names: as on the command line.
        tasks: those of the runs.

    Raises:
        ValueError: for an unknown name.
    """
    known = {metric.name: metric for metric in METRICS}
    found: dict[str, Metric] = {}
    for name in names:
        if name in known:
            found[name] = known[name]
        elif name == TASKS or name in tasks:
            found.update((task, task_metric(task)) for task in (tasks if name == TASKS else [name]))
        else:
            raise ValueError(f"no metric {name!r}; there are {', '.join([*known, TASKS])}, and each task by its name")
    return list(found.values())


def task_metric(task: str) -> Metric:
    """Accuracy on one task."""
    return Metric(task, task, partial(_task_accuracy, task))
