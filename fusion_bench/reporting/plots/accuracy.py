"""Accuracies of continual runs: over the steps, as a matrix, and of each task by itself."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from fusion_bench.reporting.plots.cells import Values, cell_grid, colour_bar, draw_cells, name_cells
from fusion_bench.reporting.plots.style import (
    COLOURS,
    COLUMN,
    INK,
    MUTED,
    SMALL,
    TICK,
    Look,
    counted,
    dress,
    floats,
    legend,
    looks,
    new_figure,
    shown,
)

Curve = Sequence[float | None]


def accuracy_over_steps(
    lines: Mapping[str, Curve],
    spread: Mapping[str, Curve] | None = None,
    *,
    label: str = "accuracy on seen tasks (%)",
    styles: Mapping[str, Look] | None = None,
    width: float = COLUMN,
) -> Figure:
    """A line a method: its accuracy after each merged model.

    Args:
        lines: shares in 0..1, one after each step, by method; None where it was not measured.
        spread: the standard deviations over orders, drawn as a band.
        label: of the y axis.
        styles: of the lines; None gives each its own.
        width: in inches.
    """
    styles = styles or looks(list(lines))
    figure = new_figure(width, 0.62 * min(width, 4.5), list(lines))
    axis = figure.subplots()
    handles = {}
    for name, line in lines.items():
        look = styles[name]
        steps, values = np.arange(1, len(line) + 1), np.array(floats(line, 100))
        (handles[name],) = axis.plot(steps, values, zorder=3, **look.line())
        if spread and name in spread:
            width_of_band = np.nan_to_num(np.array(floats(spread[name], 100)))
            axis.fill_between(
                steps, values - width_of_band, values + width_of_band, color=look.colour, alpha=0.16, linewidth=0
            )
    axis.set(xlabel="models merged", ylabel=label)
    counted(axis, max(map(len, lines.values()), default=1))
    dress(axis)
    legend(figure, handles, width)
    return figure


def accuracy_matrix(
    accuracy: Values, steps: Sequence[str], tasks: Sequence[str], *, width: float | None = None
) -> Figure:
    """The accuracy on every task (columns) after every step (rows); what was not measured is blank.

    The cell of a task at the step that merged it is framed.

    Args:
        accuracy: shares in 0..1, a row a step.
        steps: the model merged at each step.
        tasks: the columns.
        width: in inches; None takes what the numbers need.
    """
    width, height, cell = cell_grid(steps, tasks, width)
    figure = new_figure(width, height)
    axis = figure.subplots()
    percent = [[None if value is None else 100 * value for value in row] for row in accuracy]
    known = [value for row in percent for value in row if value is not None] or [0.0, 100.0]
    low, high = 5 * math.floor(min(known) / 5), 5 * math.ceil(max(known) / 5)
    mesh = draw_cells(
        axis,
        percent,
        Normalize(low, max(high, low + 5)),
        text=(lambda value: f"{value:.0f}") if cell >= 0.16 else None,
        size=SMALL if cell >= 0.2 else 5.0,
    )
    name_cells(axis, steps, tasks)
    for column, task in enumerate(tasks):
        if task in steps:
            corner = (column + 0.06, list(steps).index(task) + 0.06)
            axis.add_patch(Rectangle(corner, 0.88, 0.88, fill=False, edgecolor=INK, linewidth=0.9))
    axis.set_ylabel("after merging", fontsize=TICK, color=INK)
    colour_bar(figure, mesh, axis, "accuracy (%)")
    return figure


def task_accuracy_over_steps(
    accuracy: Values, steps: Sequence[str], tasks: Sequence[str], *, width: float = COLUMN
) -> Figure:
    """A small panel a task: its accuracy after each step, from its arrival, marked, to the end.

    Args:
        accuracy: shares in 0..1, a row a step.
        steps: the model merged at each step.
        tasks: the columns.
        width: in inches.
    """
    columns = min(len(tasks), max(2, round(width / 0.84)))
    rows = math.ceil(len(tasks) / columns)
    figure = new_figure(width, 0.35 + 0.72 * rows)
    panels = np.asarray(figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)).flatten()
    lines = [floats([row[column] for row in accuracy], 100) for column in range(len(tasks))]
    at = np.arange(1, len(steps) + 1)
    for number, (axis, task) in enumerate(zip(panels, tasks, strict=False)):
        for other in lines:
            axis.plot(at, other, color=MUTED, alpha=0.22, linewidth=0.5)
        axis.plot(at, lines[number], color=COLOURS[0], linewidth=1.2, marker=".", markersize=2.5)
        if task in steps:
            arrival = list(steps).index(task)
            axis.plot([arrival + 1], [lines[number][arrival]], "o", color=COLOURS[1], markersize=3.5)
        axis.set_title(shown(task), fontsize=SMALL, color=INK, pad=1.5)
        counted(axis, len(steps))
        axis.set_xticks([1, len(steps)] if len(steps) > 1 else [1])
        dress(axis, grid="y")
        axis.tick_params(labelsize=SMALL)
    for axis in panels[len(tasks) :]:
        axis.set_visible(False)
    for axis in panels[max(len(tasks) - columns, 0) : len(tasks)]:
        axis.tick_params(labelbottom=True)
    figure.supxlabel("models merged", fontsize=TICK, color=INK)
    figure.supylabel("accuracy (%)", fontsize=TICK, color=INK)
    return figure
