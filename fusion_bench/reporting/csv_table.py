"""Sheets as CSV, with the figures unrounded: shares in 0..1, as in the reports."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from fusion_bench.reporting.sheets import Cell, Figure, Sheet


def sheet_csv(sheet: Sheet) -> str:
    """The header and the rows; a column with standard deviations is followed by one that holds them."""
    spread = [
        any(isinstance(row[index], Figure) and row[index].std is not None for row in sheet.rows)  # type: ignore[union-attr]
        for index in range(len(sheet.header))
    ]
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(
        name for title, both in zip(sheet.header, spread, strict=True) for name in [title, *([f"{title} std"] * both)]
    )
    for row in sheet.rows:
        writer.writerow([value for cell, both in zip(row, spread, strict=True) for value in _values(cell, both)])
    return stream.getvalue()


def _values(cell: Cell, with_std: bool) -> Iterator[str]:
    """The fields of a cell; empty where a number is not known."""
    if isinstance(cell, str):
        yield cell
    else:
        yield "" if cell.mean is None else repr(float(cell.mean))
    if with_std:
        std = cell.std if isinstance(cell, Figure) else None
        yield "" if std is None else repr(float(std))
