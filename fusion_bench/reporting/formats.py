"""Sheets in the formats that the command prints and writes."""

from __future__ import annotations

import json
import math
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fusion_bench.reporting.comparison_report import ComparisonReport
from fusion_bench.reporting.csv_table import sheet_csv
from fusion_bench.reporting.latex import PREAMBLE, sheet_latex
from fusion_bench.reporting.markdown import escape_markdown, sheet_markdown
from fusion_bench.reporting.sheets import Sheet, cell_text
from fusion_bench.reporting.tables import text_table
from fusion_bench.utils.files import write_text

FORMATS = ("text", "markdown", "latex", "csv", "json")
_NAME = "comparison"
_WIDTH = 120  # of notes on a terminal


def render(sheets: Sequence[Sheet], notes: Sequence[str], content: Any, form: str) -> str:
    """The sheets as one text.

    Args:
        sheets: in the order in which they are read; of CSV only the first and those of its name are written.
        notes: sentences for the reader; not in CSV.
        content: what is written as JSON.
        form: one of :data:`FORMATS`.
    """
    if form == "json":
        return json.dumps(_plain(content), indent=2, ensure_ascii=False, allow_nan=False, default=str) + "\n"
    if form == "csv":
        return "\n".join(sheet_csv(sheet) for sheet in sheets if sheet.name == sheets[0].name)
    if form == "latex":
        comments = "".join(f"% {' '.join(note.split())}\n" for note in notes)
        return "\n".join([PREAMBLE + comments, *map(sheet_latex, sheets)])
    if form == "markdown":
        listed = "".join(f"- {escape_markdown(note)}\n" for note in notes)
        return "\n".join([*map(sheet_markdown, sheets), *([listed] if listed else [])])
    return "\n\n".join([*map(sheet_text, sheets), *map(_wrapped, notes)]) + "\n"


def sheet_text(sheet: Sheet) -> str:
    """Title, aligned columns, notes."""
    rows = [[cell_text(cell, sheet.decimals) for cell in row] for row in sheet.rows]
    return "\n\n".join(
        [f"{sheet.title}\n\n{text_table(sheet.header, rows, left=sheet.left)}", *map(_wrapped, sheet.notes)]
    )


def _wrapped(note: str) -> str:
    return textwrap.fill(note, _WIDTH, break_long_words=False, break_on_hyphens=False)


def write_report(report: ComparisonReport, runs: Sheet, directory: Path) -> list[Path]:
    """Write a comparison in every format; the files, CSV in one for each table and one for all runs.

    Args:
        report: what ``compare`` shows.
        runs: all runs, one by one.
        directory: where; it is created.
    """
    texts = {
        f"{_NAME}.{suffix}": render(report.sheets, report.notes, report.content, form)
        for form, suffix in (("markdown", "md"), ("latex", "tex"), ("json", "json"))
    }
    counts: dict[str, int] = {}
    for sheet in (*report.sheets, runs):
        counts[sheet.name] = counts.get(sheet.name, 0) + 1
        number = f"_{counts[sheet.name]}" if counts[sheet.name] > 1 else ""
        texts[f"{sheet.name}{number}.csv"] = sheet_csv(sheet)
    for name, text in texts.items():
        write_text(directory / name, text)
    return [directory / name for name in texts]


def _plain(value: Any) -> Any:
    """The same without infinities and NaN, which an option may be and JSON has no number for, but words."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
