"""Pictures of losses on a plane or a line of weights, readable in print and without telling colours apart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from fusion_bench.reporting.landscape import BarrierCurves, Landscape
from fusion_bench.utils.files import atomic_path

_LEVELS = 14
_RISE = 8.0  # losses are drawn up to this many times the range that the networks themselves span
_DPI = 200
_MARKERS = ("o", "s", "D", "^")
# Okabe & Ito's palette, told apart by all; line styles and markers tell them apart in grey.
# The first is the widest with hollow markers, so that it is seen below one that covers it.
_LINES = (("#000000", "--", "o", 7), ("#0072B2", "-", "s", 4), ("#D55E00", "-.", "^", 3))


def plot_landscape(landscape: Landscape, path: Path) -> None:
    """Write a PNG with one panel a task, contours of the loss, and the networks where they lie."""
    tasks = list(landscape.surface.loss)
    columns = min(len(tasks), 3)
    rows = math.ceil(len(tasks) / columns)
    span = float((landscape.y[-1] - landscape.y[0]) / (landscape.x[-1] - landscape.x[0]))
    figure, axes = _panels(rows, columns, width=4.0, height=max(3.1 * span, 0.9) + 0.4)
    for axis, task in zip(axes, tasks, strict=False):
        losses = landscape.surface.loss[task].numpy()
        at = [_loss_at(landscape, name, task) for name in landscape.points]
        levels = loss_levels(losses, at)
        filled = axis.contourf(
            landscape.x, landscape.y, losses, levels=levels, cmap="cividis_r", extend="max", norm=_log_norm(levels)
        )
        axis.contour(landscape.x, landscape.y, losses, levels=levels, colors="black", linewidths=0.3, alpha=0.6)
        bar = figure.colorbar(filled, ax=axis, ticks=levels[::3])
        bar.ax.set_yticklabels([f"{level:.3g}" for level in levels[::3]])
        bar.ax.minorticks_off()
        _mark(axis, landscape)
        axis.set_title(f"{task}", fontsize=10)
        axis.set_aspect("equal")
        axis.tick_params(labelsize=7)
        bar.ax.tick_params(labelsize=7)
    figure.supxlabel("distance in weight space", fontsize=9)
    figure.supylabel("distance in weight space", fontsize=9)
    figure.suptitle("cross-entropy on held-out data", fontsize=11)
    _write(figure, path)


def plot_barrier(curves: BarrierCurves, path: Path) -> None:
    """Write a PNG with one panel a task: the loss on the line, a curve for each way to draw it."""
    tasks = list(next(iter(curves.curves.values())).loss)
    columns = min(len(tasks), 3)
    figure, axes = _panels(math.ceil(len(tasks) / columns), columns, width=3.2, height=2.7)
    for axis, task in zip(axes, tasks, strict=False):
        for (name, surface), (color, style, marker, size) in zip(curves.curves.items(), _LINES, strict=False):
            axis.plot(
                curves.t,
                surface.loss[task],
                label=name,
                color=color,
                linestyle=style,
                marker=marker,
                markersize=size,
                markerfacecolor="none" if size > 5 else color,
            )
        axis.set_title(task, fontsize=10)
        axis.set_xticks([0, 0.5, 1], [curves.ends[0], "½", curves.ends[1]])
        axis.tick_params(labelsize=8)
        axis.set_ylim(bottom=0)
        axis.grid(alpha=0.3, linewidth=0.5)
    axes[0].set_ylabel("cross-entropy on held-out data", fontsize=8)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), fontsize=8, frameon=False)
    _write(figure, path)


def loss_levels(losses: Any, at: Sequence[float]) -> list[float]:
    """Contour levels, equally spaced in the logarithm, from the lowest loss to well above that of the networks.

    Args:
        losses: on the lattice, an array or tensor.
        at: of the networks.
    """
    values = np.asarray(losses, dtype=float)
    low = max(min(values.min(), *at), 1e-3)
    known = max(max(at), low)
    high = min(max(values.max(), low), low + _RISE * (known - low)) if known > low else values.max()
    high = max(high, 1.05 * low)
    return [float(level) for level in np.geomspace(low, high, _LEVELS + 1)]


def _log_norm(levels: Sequence[float]) -> Any:
    from matplotlib.colors import LogNorm

    return LogNorm(levels[0], levels[-1])


def _loss_at(landscape: Landscape, name: str, task: str) -> float:
    report = landscape.at[name]
    score = report.scores.get(task) or report.average
    return math.nan if score is None else score.loss


def _mark(axis: Any, landscape: Landscape) -> None:
    """The networks as markers with their names above them, below for every third one and near the upper edge."""
    ceiling = float(landscape.y[-1]) - 0.15 * float(landscape.y[-1] - landscape.y[0])
    for number, (name, (x, y)) in enumerate(landscape.points.items()):
        marker = _MARKERS[number % len(_MARKERS)]
        axis.plot([x], [y], marker=marker, color="white", markeredgecolor="black", markersize=6, linestyle="none")
        below = number % 3 == 2 or y > ceiling
        axis.annotate(
            name,
            (x, y),
            xytext=(0, -7 if below else 7),
            textcoords="offset points",
            ha="center",
            va="top" if below else "bottom",
            fontsize=8,
            bbox={"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none", "alpha": 0.8},
        )


def _panels(rows: int, columns: int, *, width: float, height: float) -> tuple[Figure, list[Any]]:
    figure = Figure(figsize=(width * columns, height * rows + 0.5), layout="constrained")
    return figure, list(np.asarray(figure.subplots(rows, columns, squeeze=False)).flatten())


def _write(figure: Figure, path: Path) -> None:
    for axis in figure.axes:
        if not axis.has_data():
            axis.set_visible(False)
    with atomic_path(path) as partial:
        figure.savefig(partial, format="png", dpi=_DPI)
