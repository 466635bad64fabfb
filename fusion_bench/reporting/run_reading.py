"""Reads the files of one run and checks that they are what they should be."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from fusion_bench.report import ContinualReport, EvalReport
from fusion_bench.reporting.run import Run
from fusion_bench.utils.files import read_json

CONFIG = "config.yaml"
OVERRIDES = "overrides.yaml"
REPORT = "program_report.json"
CONTINUAL_REPORT = "continual_report.json"
TRACE = "trace.json"
PROVENANCE = "provenance.json"
# What breaks the reading of a file: it is not there or not ours to read, or it holds something else.
READING_ERRORS = (OSError, ValueError, RecursionError)
_TOLERANCE = 1e-6


def read_config(path: Path) -> Mapping[str, Any]:
    """The configuration of a run.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if it is not YAML, or no mapping with a method.
    """
    config = _read_yaml(path)
    if not isinstance(config, Mapping) or "method" not in config:
        raise ValueError(f"{path.name} is not the configuration of a run: it has no key 'method'")
    return config


def report_path(config: Mapping[str, Any], directory: Path) -> Path | None:
    """Where the report of the run in ``directory`` is; None if the run was told to write none.

    A run that was moved or copied has its report where it is now.
    """
    template = config.get("report_save_path", f"{{log_dir}}/{REPORT}")
    if not template:
        return None
    return Path(str(template).replace("{log_dir}", str(directory)))


def read_run(directory: Path, config: Mapping[str, Any]) -> tuple[Run, list[str]]:
    """The run in ``directory``, and what is wrong with files that it can do without.

    Raises:
        OSError: if a file that it needs cannot be read.
        ValueError: if such a file is truncated or holds something else, or if two of them disagree.
    """
    report_file = report_path(config, directory) or directory / REPORT
    report = _read_report(report_file)
    continual = None
    if (directory / CONTINUAL_REPORT).exists():
        continual = _read_continual(directory / CONTINUAL_REPORT)
        _check_agreement(report, continual)
    complaints: list[str] = []
    overrides = _optional(directory / OVERRIDES, _is_overrides, complaints, read=_read_yaml)
    trace = _optional(directory / TRACE, _is_trace, complaints)
    provenance = _optional(directory / PROVENANCE, _is_provenance, complaints)
    run = Run(
        directory=directory,
        config=config,
        overrides=tuple(map(str, overrides or ())),
        report=report,
        continual=continual,
        trace=tuple(trace) if trace is not None else None,
        provenance=provenance,
        written=report_file.stat().st_mtime,
    )
    return run, complaints


def _read_report(path: Path) -> EvalReport:
    entries = _read_object(path)
    try:
        report = EvalReport.from_dict(entries)
    except ValueError as error:
        raise ValueError(f"{path.name} is {error}") from error
    for task, score in report.scores.items():
        if not _is_share(score.accuracy):
            raise ValueError(f"{path.name}: accuracy of {task!r} must be a number in 0..1, got {score.accuracy!r}")
    return report


def _read_continual(path: Path) -> ContinualReport:
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


def _check_agreement(report: EvalReport, continual: ContinualReport) -> None:
    """Find a report that belongs to another run than the accuracy matrix beside it."""
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


def _optional(
    path: Path, is_valid: Callable[[Any], bool], complaints: list[str], read: Callable[[Path], Any] = read_json
) -> Any:
    """The content of a file; None where there is none or, with a complaint, where it holds something else."""
    if not path.exists():
        return None
    try:
        content = read(path)
    except READING_ERRORS as error:
        complaints.append(f"{path.name} is left out: {_short(error)}")
        return None
    if not is_valid(content):
        complaints.append(f"{path.name} is left out: it holds something else than a run writes there")
        return None
    return content


def _is_overrides(content: Any) -> bool:
    return isinstance(content, list)


def _is_trace(content: Any) -> bool:
    return isinstance(content, list) and all(isinstance(row, dict) for row in content)


def _is_provenance(content: Any) -> bool:
    sessions = content.get("sessions") if isinstance(content, dict) else None
    return isinstance(sessions, list) and all(
        isinstance(session, dict)
        and isinstance(session.get("seconds") or {}, dict)
        and all(isinstance(value, int | float) for value in (session.get("seconds") or {}).values())
        for session in sessions
    )


def _read_yaml(path: Path) -> Any:
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path.name} is not YAML: {_short(error)}") from error


def _short(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]


def _is_share(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and 0 <= value <= 1
