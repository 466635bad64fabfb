"""How results vary: over the orders of the models, and with α."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from fusion_bench.reporting.plots.style import (
    COLUMN,
    GRID,
    INK,
    SMALL,
    dress,
    floats,
    legend,
    looks,
    new_figure,
    shown,
)

Orders = Sequence[float | None]


def order_spread(
    values: Mapping[str, Orders], *, label: str = "average accuracy (%)", scale: float = 100, width: float = COLUMN
) -> Figure:
    """A row a method: a dot an order, their mean and standard deviation as a bar, and both as numbers.

    Args:
        values: one number an order, by method; None where it is not known.
        label: of the x axis.
        scale: what the numbers are multiplied with.
        width: in inches.
    """
    figure = new_figure(width, 0.5 + 0.3 * max(len(values), 1))
    axis = figure.subplots()
    for row, (numbers, look) in enumerate(zip(values.values(), looks(list(values)).values(), strict=True)):
        known = np.array([scale * value for value in numbers if value is not None])
        if not len(known):
            continue
        shifts = 0.18 * np.sin(np.arange(len(known)) * 2.4)  # fixed, so that equal values stay apart
        axis.plot(known, row + shifts, alpha=0.55, **(look.points(3.2) | {"markeredgewidth": 0}))
        mean, deviation = known.mean(), known.std(ddof=1) if len(known) > 1 else math.nan
        axis.errorbar(mean, row, xerr=deviation, color=INK, capsize=2.5, linewidth=1.1, zorder=4)
        axis.plot([mean], [row], marker="|", markersize=9, color=INK, zorder=4)
        number = f"{mean:.1f}" if math.isnan(deviation) else f"{mean:.1f} ± {deviation:.1f}"
        axis.annotate(
            number,
            (1.01, row),
            xycoords=("axes fraction", "data"),
            va="center",
            fontsize=SMALL,
            color=INK,
        )
    axis.set_yticks(range(len(values)), [shown(name) for name in values])
    axis.set_ylim(len(values) - 0.5, -0.5)
    for row in np.arange(max(len(values) - 1, 0)) + 0.5:
        axis.axhline(row, color=GRID, linewidth=0.5)
    axis.set_xlabel(label)
    dress(axis, grid="x")
    axis.tick_params(axis="y", length=0)
    return figure


def alpha_ablation(
    metrics: Mapping[str, Mapping[str, Mapping[float, Orders]]],
    *,
    symbol: str = "α",
    scale: float = 100,
    width: float = COLUMN,
) -> Figure:
    """A panel a metric, a line a method: the mean over orders for each α, its standard deviation, and every order.

    Args:
        metrics: one number an order, by the label of the metric, by method, by α.
        symbol: the name of what is varied.
        scale: what the numbers are multiplied with.
        width: in inches.
    """
    figure = new_figure(width, 0.45 + 1.35 * len(metrics))
    panels = np.asarray(figure.subplots(len(metrics), 1, squeeze=False, sharex=True)).flatten()
    methods = list(dict.fromkeys(method for lines in metrics.values() for method in lines))
    styles = looks(methods)
    handles = {}
    for axis, (metric, lines) in zip(panels, metrics.items(), strict=True):
        for method, points in lines.items():
            look, at = styles[method], sorted(points)
            values = [np.array(floats([v for v in points[alpha] if v is not None], scale)) for alpha in at]
            means = [line.mean() if len(line) else math.nan for line in values]
            spread = [line.std(ddof=1) if len(line) > 1 else 0.0 for line in values]
            for alpha, line in zip(at, values, strict=True):
                axis.plot([alpha] * len(line), line, alpha=0.35, **(look.points(2.5) | {"markeredgewidth": 0}))
            axis.errorbar(at, means, yerr=spread, linestyle="none", ecolor=look.colour, elinewidth=0.9, capsize=2)
            (handles[method],) = axis.plot(at, means, zorder=3, **look.line(3.8))
        axis.set_ylabel(metric)
        dress(axis)
    panels[-1].set_xlabel(symbol)
    legend(figure, handles, width)
    return figure
