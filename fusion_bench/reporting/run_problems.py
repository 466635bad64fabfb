"""Why a directory holds no finished run, told from the files that are there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Literal

from fusion_bench.reporting.run_reading import PROVENANCE, READING_ERRORS
from fusion_bench.utils.files import read_json

State = Literal["unfinished", "failed", "broken", "unreadable", "incomplete"]
ORDERS = "orders.json"  # in the directory above the runs of several orders
_TAIL = 64 * 1024  # bytes of a log in which its last error is looked for


@dataclass(frozen=True)
class Problem:
    """Something below a directory that is not a run to compare, and why.

    Args:
        path: the directory it is about.
        state: ``unfinished``: no report yet; ``failed``: it ended with an error; ``broken``: its files are damaged or
            not those of a run; ``unreadable``: a directory that cannot be entered; ``incomplete``: a run that is
            listed, but without one of its files.
        message: what is wrong, in one line.
    """

    path: Path
    state: State
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


def unstarted_orders(path: Path, names: Sequence[str]) -> Iterator[Problem]:
    """A problem where a run of several orders has not begun all of them, or its list of them is damaged."""
    try:
        orders = read_json(path / ORDERS)
    except READING_ERRORS:
        yield Problem(path, "incomplete", f"{ORDERS} cannot be read; the orders that are there are taken")
        return
    begun = sum(name.startswith("order_") for name in names)
    if isinstance(orders, list) and begun < len(orders):
        yield Problem(path, "unfinished", f"not finished: {len(orders) - begun} of {len(orders)} orders are not begun")


def says_finished(path: Path) -> bool:
    """Whether the provenance of a run says that it was finished."""
    try:
        return str(read_json(path / PROVENANCE)["sessions"][-1]["status"]) == "finished"
    except (*READING_ERRORS, LookupError, TypeError):
        return False


def logged_failure(log: Path) -> str | None:
    """What the error says first that a run ended with, where the last record of its log is that; else None."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _TAIL))
            lines = file.read().decode("utf-8", errors="replace").splitlines()
    except OSError:
        return None
    records = [index for index, line in enumerate(lines) if line.startswith("[2")]
    if records and "[ERROR]" in lines[records[-1]] and lines[records[-1]].endswith(": the run failed"):
        return _first_line_of_error(lines[records[-1] + 1 :])[:200]
    return None


def _first_line_of_error(lines: Sequence[str]) -> str:
    """The line of a traceback below the frames of the last error, which may be one of a chain.

    Where it only announces what follows, that as well.
    """
    starts = [index for index, line in enumerate(lines) if line.startswith("Traceback")]
    below = list(lines[starts[-1] + 1 :]) if starts else list(lines)
    while below and below[0].startswith(" "):
        del below[0]
    if not below:
        return "no reason is in the log"
    return " ".join(line.strip() for line in below[: 2 if below[0].endswith(":") else 1])


def last_written(path: Path) -> str:
    """When a file of a run was last written, in UTC, and how long ago that is."""
    newest = max((file.stat().st_mtime for file in path.iterdir() if file.is_file()), default=path.stat().st_mtime)
    ago = max(0, int(datetime.now(tz=timezone.utc).timestamp() - newest))
    unit = f"{ago} s" if ago < 120 else f"{ago // 60} min" if ago < 7200 else f"{ago // 3600} h"
    return f"{datetime.fromtimestamp(newest, tz=timezone.utc):%Y-%m-%d %H:%M:%S} UTC, {unit} ago"
