"""Sheets as Markdown tables, the best of a column bold, the second best underlined."""

from __future__ import annotations

import re

from fusion_bench.reporting.sheets import Cell, Sheet, cell_text

_MARKS = {"": "{}", "best": "**{}**", "second": "<u>{}</u>"}
# What would end a cell or begin markup; an underscore does so only at the end of a word.
_SPECIAL = re.compile(r"[\\`*|<>\[\]~$&]|(?<![^\W_])_|_(?![^\W_])")
# Not every reader of Markdown knows these with a backslash.
_ENTITIES = {"<": "&lt;", ">": "&gt;", "&": "&amp;", "~": "&#126;", "$": "&#36;"}


def sheet_markdown(sheet: Sheet, level: int = 2) -> str:
    """A heading, the table, its notes."""
    header = [escape_markdown(name) for name in sheet.header]
    rows = [[_cell(cell, sheet.decimals) for cell in row] for row in sheet.rows]
    rules = ["---" if index < sheet.left else "---:" for index in range(len(header))]
    widths = [max(map(len, column)) for column in zip(header, rules, *rows, strict=True)]
    lines = ["| " + " | ".join(map(str.ljust, cells, widths)) + " |" for cells in [header, rules, *rows]]
    parts = [f"{'#' * level} {escape_markdown(sheet.title)}", "\n".join(lines), *map(escape_markdown, sheet.notes)]
    return "\n\n".join(parts) + "\n"


def escape_markdown(text: str) -> str:
    """Text in which nothing is markup, on one line."""
    return _SPECIAL.sub(lambda match: _ENTITIES.get(match[0], f"\\{match[0]}"), " ".join(text.split()))


def _cell(cell: Cell, decimals: int) -> str:
    text = cell_text(cell, decimals)
    if isinstance(cell, str):
        return escape_markdown(text)
    return _MARKS[cell.mark].format(text) if text else ""
