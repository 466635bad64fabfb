"""Reads the files of one run and checks that they are what they should be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from fusion_bench.reporting.report_files import CONTINUAL_REPORT, check_agreement, read_continual, read_report
from fusion_bench.reporting.run import Run
from fusion_bench.utils.files import read_json

CONFIG = "config.yaml"
OVERRIDES = "overrides.yaml"
REPORT = "program_report.json"
TRACE = "trace.json"
PROVENANCE = "provenance.json"
# What breaks the reading of a file: it is not there or not ours to read, or it holds something else.
READING_ERRORS = (OSError, ValueError, RecursionError)


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
    report = read_report(report_file)
    continual = None
    if (directory / CONTINUAL_REPORT).exists():
        continual = read_continual(directory / CONTINUAL_REPORT)
        check_agreement(report, continual)
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
