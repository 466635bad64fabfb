"""Reads the reports of a run and checks that they hold what a report holds."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from fusion_bench.report import ContinualReport, EvalReport
from fusion_bench.utils.files import read_json

CONTINUAL_REPORT = "continual_report.json"
_TOLERANCE = 1e-6


def read_report(path: Path) -> EvalReport:
    """The report of a final model.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if it is truncated or holds something else.
    """
    entries = _read_object(path)
    try:
        report = EvalReport.from_dict(entries)
    except ValueError as error:
        raise ValueError(f"{path.name} is {error}") from error
    for task, score in report.scores.items():
        if not _is_share(score.accuracy):
            raise ValueError(f"{path.name}: accuracy of {task!r} must be a number in 0..1, got {score.accuracy!r}")
    return report


def read_continual(path: Path) -> ContinualReport:
    """The accuracy matrix of a continual run.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if it is truncated or holds something else.
    """
    try:
        report = ContinualReport.from_dict(_read_object(path))
    except ValueError as error:
        raise ValueError(f"{path.name}: {error}") from error
    if len(report.accuracy) != len(report.order) or any(len(row) != len(report.tasks) for row in report.accuracy):
        raise ValueError(f"{path.name}: the accuracy matrix needs a row for each model and a column for each task")
    cells = [value for row in report.accuracy for value in row if value is not None]
    if not all(map(_is_share, [*cells, *report.individual.values()])):
        raise ValueError(f"{path.name}: every accuracy must be a number in 0..1")
    if not set(report.tasks) <= set(report.order):
        raise ValueError(f"{path.name}: every task must be in the order of the models")
    return report


def check_agreement(report: EvalReport, continual: ContinualReport) -> None:
    """Find a report that belongs to another run than the accuracy matrix beside it.

    Raises:
        ValueError: naming the first task about which they disagree.
    """
    for task, value in zip(continual.tasks, continual.final, strict=True):
        score = report.scores.get(task)
        if value is not None and (score is None or abs(score.accuracy - value) > _TOLERANCE):
            found = "no score" if score is None else f"{score.accuracy:.4f}"
            raise ValueError(
                f"{CONTINUAL_REPORT} and the report of the final model disagree about {task!r}: {value:.4f} and {found}"
            )


def _read_object(path: Path) -> dict[str, Any]:
    """A JSON object, the error naming only the file within the run."""
    try:
        content = read_json(path)
    except FileNotFoundError as error:
        raise ValueError(f"no {path.name}") from error
    except RecursionError as error:
        raise ValueError(f"{path.name} is nested too deep") from error
    except ValueError as error:
        raise ValueError(_not_json(path, error)) from error
    if not isinstance(content, dict):
        raise ValueError(f"{path.name} holds a {type(content).__name__}, not an object")
    return content


def _not_json(path: Path, error: BaseException) -> str:
    cause = error.__cause__
    if not path.read_bytes().strip():
        return f"{path.name} is empty"
    if isinstance(cause, json.JSONDecodeError) and cause.pos >= len(cause.doc.rstrip()) - 1:
        return f"{path.name} is truncated: it ends at line {cause.lineno}"
    return f"{path.name} is not JSON: {cause or error}"


def _is_share(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and 0 <= value <= 1
