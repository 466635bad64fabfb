"""Task vectors of several models beside each other: their singular values and the angles between them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from fusion_bench.reporting.plots.cells import Values, cell_grid, colour_bar, draw_cells, name_cells
from fusion_bench.reporting.plots.style import (
    COLUMN,
    FEW,
    GRID,
    INK,
    RAMP,
    SMALL,
    TICK,
    dress,
    legend,
    looks,
    new_figure,
    shown,
)


def singular_value_spectra(
    spectra: Mapping[str, Mapping[str, Sequence[float]]], *, normalise: bool = True, width: float = COLUMN
) -> Figure:
    """A panel a layer, a line a task: the singular values of its task vector, largest first.

    More than eight tasks are drawn from dark to light in the order in which the legend names them.

    Args:
        spectra: by layer and task, each largest first.
        normalise: divide each line by its first value, so that shapes are compared.
        width: in inches.
    """
    tasks = list(dict.fromkeys(task for lines in spectra.values() for task in lines))
    columns = 1 if len(spectra) == 1 else max(2, round(width / 1.7))
    rows = math.ceil(len(spectra) / columns)
    figure = new_figure(width, 0.25 + 1.3 * rows, tasks)
    panels = np.asarray(figure.subplots(rows, columns, squeeze=False, sharey=normalise)).flatten()
    styles, titles = _styles(tasks), _short(list(spectra))
    handles = {}
    for axis, (layer, lines) in zip(panels, spectra.items(), strict=False):
        for task, values in lines.items():
            sigma = np.asarray(values, dtype=float)
            first = sigma[0] if normalise and len(sigma) and sigma[0] > 0 else 1.0
            sigma = np.where(sigma > 0, sigma, np.nan) / first
            (handles[task],) = axis.plot(np.arange(1, len(sigma) + 1), sigma, **styles[task])
        axis.set_yscale("log")
        axis.set_title(shown(titles[layer]), fontsize=SMALL, color=INK, pad=2)
        dress(axis)
        axis.tick_params(labelsize=SMALL)
    for axis in panels[len(spectra) :]:
        axis.set_visible(False)
    for axis in panels[max(len(spectra) - columns, 0) : len(spectra)]:
        axis.set_xlabel("index i", fontsize=TICK)
    figure.supylabel(r"$\sigma_i\,/\,\sigma_1$" if normalise else r"$\sigma_i$", fontsize=TICK, color=INK)
    legend(figure, {task: handles[task] for task in tasks if task in handles}, width)
    return figure


def _styles(tasks: Sequence[str]) -> dict[str, dict[str, object]]:
    if len(tasks) <= FEW:
        return {
            task: {"color": look.colour, "linestyle": look.dashes, "linewidth": 1.0}
            for task, look in looks(tasks).items()
        }
    places = np.linspace(0, len(RAMP) - 1, len(tasks)).round().astype(int)
    return {task: {"color": RAMP[place], "linewidth": 0.8} for task, place in zip(tasks, places, strict=True)}


def _short(layers: Sequence[str]) -> dict[str, str]:
    """Titles by layer, without what all begin with."""
    parts = [layer.removesuffix(".weight").split(".") for layer in layers]
    alike = 0
    while len(parts) > 1 and all(len(part) > alike + 1 and part[alike] == parts[0][alike] for part in parts):
        alike += 1
    return {layer: ".".join(part[alike:]) for layer, part in zip(layers, parts, strict=True)}


def cosine_similarity(names: Sequence[str], cosines: Values, *, width: float | None = None) -> Figure:
    """The cosine of the angle between every two task vectors; colours span those off the diagonal.

    Args:
        names: of the models.
        cosines: a symmetric matrix; None where it is not defined, as for a zero vector.
        width: in inches; None takes what the numbers need.
    """
    count = len(names)
    width, height, cell = cell_grid(names, names, width)
    figure = new_figure(width, height)
    axis = figure.subplots()
    others = [[None if row == column else cosines[row][column] for column in range(count)] for row in range(count)]
    known = [value for line in others for value in line if value is not None] or [0.0, 1.0]
    low, high = math.floor(100 * min(known)) / 100, math.ceil(100 * max(known)) / 100
    norm = Normalize(low, max(high, low + 0.05))
    mesh = draw_cells(axis, others, norm, text=_cosine if cell >= 0.2 else None, size=SMALL if cell >= 0.25 else 5.0)
    for place in range(count):
        axis.add_patch(Rectangle((place, place), 1, 1, fill=False, edgecolor=GRID, linewidth=0, hatch="/////"))
    name_cells(axis, names, names)
    colour_bar(figure, mesh, axis, "cosine similarity")
    return figure


def _cosine(value: float) -> str:
    return f"{round(value, 2) + 0:.2f}".replace("0.", ".")  # + 0, for a zero without a sign
