"""Finds the runs below a directory by their files; there is no data base that could disagree with them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fusion_bench.reporting.report_files import CONTINUAL_REPORT
from fusion_bench.reporting.run import Run
from fusion_bench.reporting.run_problems import (
    ORDERS,
    Problem,
    last_written,
    logged_failure,
    says_finished,
    unstarted_orders,
)
from fusion_bench.reporting.run_reading import (
    CONFIG,
    READING_ERRORS,
    REPORT,
    read_config,
    read_run,
    report_path,
)

_LOG = "cli.log"
_OTHER_PROGRAM = "finetune_report.json"
_NOT_ENTERED = ("checkpoints", "checkpoint", "resume")


@dataclass(frozen=True)
class FoundRuns:
    """The finished runs, in the order of their paths, and the directories that hold none or a damaged one."""

    runs: tuple[Run, ...]
    problems: tuple[Problem, ...]


def find_runs(directories: Iterable[Path | str]) -> FoundRuns:
    """Every finished run in ``directories`` and below them, each once; links are followed, loops are not.

    Nothing that is found there is an error: what is no finished run is among the problems.
    """
    runs: list[Run] = []
    problems: list[Problem] = []
    entered: dict[tuple[int, int], None] = {}
    for directory in directories:
        for path, names in _walk(Path(directory), entered, problems):
            if _looks_like_a_run(path, names):
                _add(path, names, runs, problems)
            elif ORDERS in names:
                problems += unstarted_orders(path, names)
    return FoundRuns(tuple(runs), tuple(problems))


def _walk(
    directory: Path, entered: dict[tuple[int, int], None], problems: list[Problem]
) -> Iterator[tuple[Path, list[str]]]:
    """Each directory with the names in it, parents first; one that was entered already is left out."""
    waiting = [directory]
    while waiting:
        path = waiting.pop()
        try:
            place = path.stat()
            if (place.st_dev, place.st_ino) in entered:
                continue
            entered[place.st_dev, place.st_ino] = None
            entries = sorted(os.scandir(path), key=lambda entry: _natural(entry.name))
            inner = [Path(entry.path) for entry in entries if entry.is_dir() and _is_entered(entry.name)]
        except OSError as error:
            problems.append(Problem(path, "unreadable", f"cannot be read: {error.strerror or error}"))
            continue
        yield path, [entry.name for entry in entries]
        waiting += reversed(inner)


def _is_entered(name: str) -> bool:
    return name not in _NOT_ENTERED and not name.startswith(".")


def _natural(name: str) -> list[tuple[int, int | str]]:
    """A key that puts ``version_10`` behind ``version_9``."""
    parts = "".join(character if character.isdecimal() else f"\0{character}\0" for character in name).split("\0")
    return [(0, int(part)) if part.isdecimal() else (1, part) for part in parts if part]


def _looks_like_a_run(path: Path, names: list[str]) -> bool:
    if ORDERS in names or _OTHER_PROGRAM in names:
        return False
    if REPORT in names or CONTINUAL_REPORT in names:
        return True
    return CONFIG in names and (_LOG in names or _is_config(path / CONFIG))


def _is_config(path: Path) -> bool:
    try:
        return bool(read_config(path))
    except READING_ERRORS:
        return False  # a file of somebody else's


def _add(path: Path, names: list[str], runs: list[Run], problems: list[Problem]) -> None:
    """Add what is in a directory to the runs or to the problems."""
    if CONFIG not in names:
        problems.append(Problem(path, "broken", f"no {CONFIG} beside the report"))
        return
    try:
        config = read_config(path / CONFIG)
        report = report_path(config, path)
        if report is None or not report.exists():
            problems.append(_without_report(path, config, report))
            return
        run, complaints = read_run(path, config)
    except READING_ERRORS as error:
        problems.append(Problem(path, "broken", _one_line(error)))
        return
    runs.append(run)
    problems += [Problem(path, "incomplete", complaint) for complaint in complaints]


def _without_report(path: Path, config: Mapping[str, Any], report: Path | None) -> Problem:
    """Why a directory with a configuration has no report."""
    if report is None:
        return Problem(path, "unfinished", "it was told to write no report (report_save_path=null)")
    error = logged_failure(path / _LOG)
    if error == "KeyboardInterrupt":
        return Problem(path, "unfinished", f"stopped by hand: no {report.name}; last written {last_written(path)}")
    if error is not None:
        return Problem(path, "failed", f"it failed: {error}")
    if config.get("dry_run"):
        return Problem(path, "unfinished", "a dry run")
    if says_finished(path):
        return Problem(path, "broken", f"{report.name} is missing, although the run was finished")
    return Problem(path, "unfinished", f"not finished: no {report.name}; last written {last_written(path)}")


def _one_line(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        name = Path(str(error.filename)).name if error.filename is not None else ""
        return f"{name}: {error.strerror}" if name else str(error.strerror)
    return " ".join(str(error).split())
