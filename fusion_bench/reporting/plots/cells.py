"""Heat maps: coloured cells with their numbers, and blank ones where nothing was measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib.colors import Normalize
from matplotlib.ticker import MaxNLocator

from fusion_bench.reporting.plots.style import COLUMN, INK, MUTED, PAPER, SMALL, TICK, shown

MAP = "cividis"
"""Perceptually uniform, and read alike with and without colour vision and in grey."""

Values = Sequence[Sequence[float | None]]


def draw_cells(
    axis: Any, values: Values, norm: Normalize, *, text: Callable[[float], str] | None = None, size: float = SMALL
) -> Any:
    """Draw a matrix with its first row on top and give what a colour bar is made from.

    Args:
        axis: where.
        values: rows of numbers; None is a blank cell.
        norm: which number has which colour.
        text: what is printed in a cell; None prints nothing.
        size: of that text, in points.
    """
    matrix = np.ma.masked_invalid(np.array(values, dtype=float))  # None becomes NaN
    mesh = axis.pcolormesh(matrix, cmap=MAP, norm=norm, edgecolors=PAPER, linewidth=0.6)
    axis.invert_yaxis()
    axis.patch.set_alpha(0)
    for spine in axis.spines.values():
        spine.set_visible(False)
    mesh.set_linewidth(0.6 if matrix.size <= 400 else 0.4)
    axis.tick_params(length=0, labelsize=TICK, labelcolor=INK, pad=1.5)
    if text is not None:
        for row, column in zip(*np.nonzero(~np.ma.getmaskarray(matrix)), strict=True):
            value = float(matrix[row, column])
            colour = "#000000" if _is_light(mesh.cmap(norm(value))) else "#ffffff"
            axis.text(
                column + 0.5, row + 0.5, text(value), ha="center", va="center_baseline", fontsize=size, color=colour
            )
    return mesh


def name_cells(axis: Any, rows: Sequence[str], columns: Sequence[str], size: float = TICK) -> None:
    """Names beside the rows and, turned if there are many or long ones, below the columns."""
    axis.set_yticks(np.arange(len(rows)) + 0.5, [shown(name) for name in rows], fontsize=size)
    labels = [shown(name) for name in columns]
    axis.set_xticks(np.arange(len(columns)) + 0.5, labels, fontsize=size)
    if max(map(len, labels), default=0) > 3 and len(labels) > 1:
        for label in axis.get_xticklabels():
            label.set(rotation=90 if len(labels) > 10 else 45, ha="center" if len(labels) > 10 else "right")
            label.set_rotation_mode("default" if len(labels) > 10 else "anchor")


def colour_bar(figure: Any, mesh: Any, axes: Any, label: str) -> None:
    """A slim colour bar to the right of ``axes``."""
    ticks = MaxNLocator(6, steps=[1, 2, 2.5, 5, 10])
    bar = figure.colorbar(mesh, ax=axes, fraction=0.05, aspect=28, pad=0.02, ticks=ticks)
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=TICK, labelcolor=INK, color=MUTED, length=2, width=0.6, pad=1.5)
    bar.set_label(label, fontsize=TICK, color=INK)


def _is_light(colour: Sequence[float]) -> bool:
    red, green, blue = (part / 12.92 if part <= 0.04 else ((part + 0.055) / 1.055) ** 2.4 for part in colour[:3])
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.18  # where black and white stand out alike


def cell_grid(rows: Sequence[str], columns: Sequence[str], width: float | None) -> tuple[float, float, float]:
    """Width and height of a figure with square cells, and the width of a cell, in inches.

    Args:
        rows: their names, beside the cells.
        columns: their names, below the cells.
        width: of the figure; None takes what numbers in the cells need.
    """
    left, below = (0.25 + 0.055 * max((len(shown(name)) for name in names), default=0) for names in (rows, columns))
    beside = left + 0.65
    wanted = width or max(2.4, beside + 0.27 * len(columns), min(COLUMN, beside + 0.4 * len(columns)))
    cell = (wanted - beside) / max(len(columns), 1)
    return wanted, 0.1 + min(max(cell, 0.1), 0.4) * len(rows) + below, cell
