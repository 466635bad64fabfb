"""What continual methods say of their steps: λ_t, norms of task vectors, and split ranks."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from fusion_bench.reporting.plots.cells import colour_bar, draw_cells
from fusion_bench.reporting.plots.style import (
    COLUMN,
    INK,
    MUTED,
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

Curve = Sequence[float | None]


def lambda_over_steps(
    lines: Mapping[str, Curve],
    spread: Mapping[str, Curve] | None = None,
    *,
    styles: Mapping[str, Look] | None = None,
    width: float = COLUMN,
) -> Figure:
    """λ_t after each merged model, on an axis on which √t is a straight line, drawn as the reference.

    Args:
        lines: λ_t by method, from the first step on; None where it is not known.
        spread: the standard deviations over orders, drawn as a band.
        styles: of the lines; None gives each its own.
        width: in inches.
    """
    styles = styles or looks(list(lines))
    last = max(map(len, lines.values()), default=1)
    figure = new_figure(width, 0.62 * min(width, 4.5), [*lines, "√t"])
    axis = figure.subplots()
    ends = np.array([1.0, max(last, 2)])
    (reference,) = axis.plot(ends, np.sqrt(ends), color=MUTED, linewidth=0.9, linestyle=(0, (2, 2)))
    handles = {}
    for name, line in lines.items():
        look = styles[name]
        steps, values = np.arange(1, len(line) + 1), np.array(floats(line))
        (handles[name],) = axis.plot(steps, values, zorder=3, **look.line())
        if spread and name in spread:
            half = np.nan_to_num(np.array(floats(spread[name])))
            axis.fill_between(steps, values - half, values + half, color=look.colour, alpha=0.16, linewidth=0)
    handles["√t"] = reference
    axis.set_xscale("function", functions=(lambda values: np.sqrt(np.maximum(values, 0)), np.square))
    axis.set(xlabel="models merged t (axis in √t)", ylabel=r"$\lambda_t$")
    ticks = [step for step in range(1, last + 1) if last <= 8 or step in _ROUND]
    axis.set_xticks(ticks, [str(tick) for tick in ticks])
    axis.set_xlim(0.92, (math.sqrt(max(last, 2)) + 0.06) ** 2)
    axis.minorticks_off()
    dress(axis)
    legend(figure, handles, width)
    return figure


_ROUND = (1, 2, 4, 6, 9, 12, 16, 20, 25, 36, 49, 64, 81, 100)


def task_vector_norms(
    models: Sequence[str], own: Curve, mean: Curve | None = None, merged: Curve | None = None, *, width: float = COLUMN
) -> Figure:
    """A row a step: the norm of the task vector that arrives, the mean so far, and that of the merged one.

    Args:
        models: their names in the order of arrival.
        own: ‖τ_t‖.
        mean: the mean of the norms up to each step.
        merged: the norm of the merged task vector after each step.
        width: in inches.
    """
    given = {"arriving task vector": own, "merged task vector": merged, "mean so far": mean}
    series = {name: values for name, values in given.items() if values is not None}
    figure = new_figure(width, 0.5 + 0.16 * max(len(models), 3), list(series))
    axis = figure.subplots()
    rows = np.arange(len(models))
    styles = looks(list(series))
    handles = {}
    for name, values in series.items():
        look = styles[name]
        kind = look.points() if name == "arriving task vector" else look.line(2.6)
        if name == "merged task vector":
            kind |= {
                "linewidth": 2.6,
                "marker": "",
                "linestyle": "-",
                "alpha": 0.6,
            }  # OPCM's is the mean: seen below it
        (handles[name],) = axis.plot(floats(values), rows, zorder=3, **kind)
    axis.hlines(rows, 0, floats(own), color=styles["arriving task vector"].colour, linewidth=0.8, alpha=0.5)
    axis.set_yticks(rows, [shown(name) for name in models])
    axis.set_ylim(len(models) - 0.4, -0.6)
    axis.set_xlim(left=0)
    axis.set_xlabel("Euclidean norm")
    dress(axis, grid="x")
    axis.tick_params(axis="y", length=0)
    legend(figure, handles, width)
    return figure


def split_ranks(ranks: Mapping[str, Curve], *, label: str = "protected directions", width: float = COLUMN) -> Figure:
    """How many directions are protected in each weight (rows: depth) at each step (columns), a panel a kind of layer.

    Args:
        ranks: for each weight its rank at each step; None where nothing was projected. Weights whose names differ in
            their first number only are of one kind.
        label: of the colour bar.
        width: in inches.
    """
    kinds = _kinds(list(ranks))
    columns = min(len(kinds), max(1, round(width / 1.1)))
    rows = math.ceil(len(kinds) / columns)
    depth = max(map(len, kinds.values()), default=1)
    figure = new_figure(width, 0.45 + rows * (0.28 + min(max(0.075 * depth, 0.55), 1.6)))
    panels = np.asarray(figure.subplots(rows, columns, squeeze=False)).flatten()
    known = [rank for line in ranks.values() for rank in line if rank is not None] or [0]
    norm = Normalize(min(0, *known) if len(known) > 1 else 0, max(*known, 1) if len(known) > 1 else max(known[0], 1))
    mesh = None
    for axis, (kind, names) in zip(panels, kinds.items(), strict=False):
        mesh = draw_cells(axis, [ranks[name] for name in names.values()], norm)
        axis.set_title(shown(kind), fontsize=SMALL, color=INK, pad=2)
        steps = max(len(ranks[name]) for name in names.values())
        _few_ticks(axis.xaxis, [str(step + 1) for step in range(steps)])
        _few_ticks(axis.yaxis, list(names))
        if axis in panels.reshape(rows, columns)[:, 1:] and list(names) == list(next(iter(kinds.values()))):
            axis.set_yticks([])
    for axis in panels[len(kinds) :]:
        axis.set_visible(False)
    figure.supxlabel("models merged", fontsize=TICK, color=INK)
    figure.supylabel("layer", fontsize=TICK, color=INK)
    if mesh is not None:
        colour_bar(figure, mesh, list(panels), label)
    return figure


def _kinds(names: Sequence[str]) -> dict[str, dict[str, str]]:
    """``{kind: {depth: name}}``: names that differ in their first number only share a kind, without their prefix."""
    kinds: dict[str, dict[str, str]] = {}
    for name in names:
        short = name.removesuffix(".weight")
        number = re.search(r"(?<![^.])\d+(?![^.])", short)
        if number is None:
            kinds.setdefault("", {})[short] = name
        else:
            kinds.setdefault(short[number.end() + 1 :] or short[: number.start() - 1], {})[number[0]] = name
    return kinds


def _few_ticks(axis: Any, labels: Sequence[str]) -> None:
    """Every label, or those of at most six places where they are numbers."""
    step = math.ceil(len(labels) / 6) if all(label.isdigit() for label in labels) else 1
    places = range(0, len(labels), step)
    axis.set_ticks([place + 0.5 for place in places], [shown(labels[place]) for place in places], fontsize=SMALL)
