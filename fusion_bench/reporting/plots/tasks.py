"""Methods side by side, task by task: forgetting, and the accuracies at the end on spokes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from fusion_bench.reporting.plots.style import (
    COLUMN,
    GRID,
    INK,
    MUTED,
    PAPER,
    SMALL,
    TICK,
    Look,
    dress,
    floats,
    legend,
    looks,
    new_figure,
    shown,
)

ByTask = Mapping[str, Mapping[str, float | None]]


def forgetting_per_task(
    forgetting: ByTask,
    spread: ByTask | None = None,
    *,
    styles: Mapping[str, Look] | None = None,
    width: float = COLUMN,
) -> Figure:
    """A row a task, a mark a method: how far the accuracy at the end lies below the best earlier one.

    Args:
        forgetting: differences of shares in 0..1 by method and task; None or absent where it is not known.
        spread: the standard deviations over orders, drawn as a bar through the mark.
        styles: of the marks; None gives each method its own.
        width: in inches.
    """
    styles = styles or looks(list(forgetting))
    tasks = _tasks(forgetting)
    figure = new_figure(width, 0.5 + max(0.17, 0.05 * len(forgetting)) * len(tasks), list(forgetting))
    axis = figure.subplots()
    shifts = np.linspace(-0.28, 0.28, len(forgetting)) if len(forgetting) > 1 else [0.0]
    handles = {}
    for (name, drops), shift in zip(forgetting.items(), shifts, strict=True):
        look = styles[name]
        values = floats([drops.get(task) for task in tasks], 100)
        rows = np.arange(len(tasks)) + shift
        (handles[name],) = axis.plot(values, rows, zorder=3, **look.points())
        if spread and name in spread:
            half = floats([spread[name].get(task) for task in tasks], 100)
            axis.hlines(rows, np.subtract(values, half), np.add(values, half), color=look.colour, linewidth=0.9)
    axis.axvline(0, color=MUTED, linewidth=0.8)
    for row in np.arange(len(tasks) - 1) + 0.5:
        axis.axhline(row, color=GRID, linewidth=0.5)
    axis.set_yticks(range(len(tasks)), [shown(task) for task in tasks])
    axis.set_ylim(len(tasks) - 0.5, -0.5)
    axis.set_xlabel("forgetting (percentage points)")
    dress(axis, grid="x")
    axis.tick_params(axis="y", length=0)
    legend(figure, handles, width)
    return figure


def radar(
    accuracy: ByTask,
    reference: ByTask | None = None,
    *,
    lowest: float = 0.0,
    label: str = "accuracy (%)",
    width: float = COLUMN,
) -> Figure:
    """A spoke a task, a line a method: the accuracies at the end; a missing one opens the line.

    Args:
        accuracy: shares by method and task.
        reference: what the methods are compared with, drawn as a thin line without marks.
        lowest: the share at the centre.
        label: what the numbers on the rings are.
        width: in inches.
    """
    tasks = _tasks(accuracy)
    reference = reference or {}
    figure = new_figure(width, 0.95 * width, [*accuracy, *reference])
    axis: Any = figure.add_subplot(projection="polar")
    angles = np.linspace(0, 2 * np.pi, len(tasks), endpoint=False)
    handles = {}
    highest = 0.0
    styles = {name: look.line(2.8) for name, look in looks(list(accuracy)).items()}
    for name, shares in (*accuracy.items(), *reference.items()):
        style = styles.get(name, {"color": MUTED, "linewidth": 0.9, "linestyle": (0, (2, 2))})
        values = floats([shares.get(task) for task in tasks], 100)
        highest = max([highest, *(value for value in values if not math.isnan(value))])
        (handles[name],) = axis.plot([*angles, angles[0]], [*values, values[0]], zorder=3, **style)
    axis.set_theta_offset(np.pi / 2)
    axis.set_theta_direction(-1)
    axis.set_xticks(angles, [shown(task) for task in tasks])
    for text, angle in zip(axis.get_xticklabels(), angles, strict=True):
        text.set(fontsize=TICK if len(tasks) <= 12 else SMALL, color=INK)
        sine = math.sin(angle)
        text.set_horizontalalignment("center" if abs(sine) < 0.1 else "left" if sine > 0 else "right")
    _rings(axis, 100 * lowest, highest)
    axis.set_xlabel(label, fontsize=TICK, color=MUTED)
    legend(figure, handles, width)
    return figure


def _rings(axis: Any, low: float, high: float) -> None:
    step = next(step for step in (1, 2, 5, 10, 20, 25, 50, 100, 10**6) if (high - low) / step <= 5)
    top = step * math.ceil(max(high - low, step) / step) + low
    rings = np.arange(low, top + step / 2, step)
    axis.set_ylim(low, top)
    axis.set_yticks(rings[1:], [f"{ring:g}" for ring in rings[1:]], fontsize=SMALL, color=MUTED)
    for text in axis.get_yticklabels():
        text.set_bbox({"boxstyle": "round,pad=0.1", "facecolor": PAPER, "edgecolor": "none", "alpha": 0.8})
        text.set_zorder(4)
    axis.set_rlabel_position(180 / max(len(axis.get_xticks()), 1))
    axis.tick_params(pad=0)
    axis.grid(color=GRID, linewidth=0.6)
    axis.spines["polar"].set(color=GRID, linewidth=0.8)
    axis.patch.set_alpha(0)


def _tasks(values: ByTask) -> list[str]:
    return list(dict.fromkeys(task for by_task in values.values() for task in by_task))
