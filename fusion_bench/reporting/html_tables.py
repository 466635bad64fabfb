"""The tables of an HTML report as values: columns, and cells with what they are sorted by."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from fusion_bench.reporting.comparison import SuiteComparison
from fusion_bench.reporting.metrics import average_accuracy, find_metrics
from fusion_bench.reporting.run import Run
from fusion_bench.reporting.sheets import Figure, Mark, Sheet, cell_text

ABSENT = "–"


@dataclass(frozen=True)
class Cell:
    """One cell.

    Args:
        text: what is read.
        sort: what rows are sorted by; None sorts last.
        mark: whether it is the best or second best number of its column.
        title: more about it, shown on hovering.
    """

    text: str
    sort: float | str | None = None
    mark: Mark = ""
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


def sheet_table(sheet: Sheet, key: str, title: str, without: Sequence[str] = ()) -> HtmlTable:
    """A sheet as a table of the page.

    Args:
        sheet: the sheet.
        key: identifier on the page.
        title: its heading.
        without: notes that stand elsewhere.
    """
    rows = [tuple(_cell(cell, sheet.decimals) for cell in row) for row in sheet.rows]
    numeric = [
        index >= sheet.left and any(row[index].text for row in rows) and all(_is_number(row[index]) for row in rows)
        for index in range(len(sheet.header))
    ]
    columns = tuple(Column(name, is_number) for name, is_number in zip(sheet.header, numeric, strict=True))
    return HtmlTable(key, title, " ".join(note for note in sheet.notes if note not in without), columns, tuple(rows))


def _cell(cell: str | Figure, decimals: int) -> Cell:
    text = cell_text(cell, decimals)
    if isinstance(cell, Figure):
        return Cell(text or ABSENT, cell.mean, cell.mark)
    try:
        return Cell(text, float(text.removeprefix("< ")) if text else None)
    except ValueError:
        return Cell(text, text)


def _is_number(cell: Cell) -> bool:
    return not isinstance(cell.sort, str)


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
