"""How every plot looks: widths and type for print, colours that all readers tell apart, marks that work in grey."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import matplotlib
import numpy as np
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

COLUMN = 3.35
"""Width of one column of a two-column page, in inches."""

PAGE = 6.9
"""Width of both columns, in inches."""

INK = "#17191c"
MUTED = "#5c626b"
GRID = "#dfe2e6"
PAPER = "#fefefe"
LABEL, TICK, SMALL = 8.0, 7.0, 6.0  # points

# Okabe & Ito's colours without yellow, which is lost on white paper.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", INK)
DASHES: tuple[Any, ...] = ("-", (0, (4, 1.5)), (0, (5, 1.5, 1, 1.5)), (0, (1, 1.2)), (0, (7, 1.5, 1, 1.5, 1, 1.5)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "h")

# More series than that are a ramp from dark to light: steps of viridis, which are read alike without colour vision and
# in grey; on dark pages from its middle up.
FEW = 8
RAMP = tuple(to_hex(viridis) for viridis in matplotlib.colormaps["viridis"](np.linspace(0, 0.9, 64)))
DARK_RAMP = tuple(to_hex(viridis) for viridis in matplotlib.colormaps["viridis"](np.linspace(0.35, 1, 64)))

_LONGEST = 26  # characters of a name
_HANDLE, _PAD, _SPACING = 2.4, 0.5, 1.2  # of a legend, in heights of its letters


@dataclass(frozen=True)
class Look:
    """Colour, marker and dashes of one series; no two of the first 385 agree in all three."""

    colour: str
    marker: str
    dashes: Any

    def line(self, size: float = 3.2) -> dict[str, Any]:
        """Arguments of ``Axes.plot``."""
        return {
            "color": self.colour,
            "marker": self.marker,
            "linestyle": self.dashes,
            "markersize": size,
            "linewidth": 1.1,
            "markeredgecolor": PAPER,
            "markeredgewidth": 0.4,
        }

    def points(self, size: float = 4.5) -> dict[str, Any]:
        """The same, without a line."""
        return self.line(size) | {"linestyle": "none"}


def looks(names: Sequence[str]) -> dict[str, Look]:
    """A look for each name, by its place."""
    return dict(zip(names, islice(_looks(), len(names)), strict=True))


def _looks() -> Iterator[Look]:
    number = 0
    while True:
        place = number % len(COLOURS), number % len(MARKERS), number % len(DASHES)
        yield Look(COLOURS[place[0]], MARKERS[place[1]], DASHES[place[2]])
        number += 1


def new_figure(width: float, height: float, names: Sequence[str] = ()) -> Figure:
    """An empty figure that arranges its parts by itself.

    Args:
        width: in inches.
        height: in inches, without the legend.
        names: of the series in the legend, for which room is added below.
    """
    if len(names) > 1:
        height += 0.1 + 0.135 * math.ceil(len(names) / legend_columns([shown(name) for name in names], width))
    figure = Figure(figsize=(width, height), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.03, h_pad=0.03, wspace=0.04, hspace=0.05)  # type: ignore[union-attr, call-arg]
    return figure


def dress(axis: Any, *, grid: str | None = "both") -> None:
    """Thin axes, small type, and a grid along ``"x"``, ``"y"``, both or None."""
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axis.spines[side].set(color=MUTED, linewidth=0.6)
    axis.tick_params(labelsize=TICK, labelcolor=INK, color=MUTED, width=0.6, length=2.5, pad=2)
    axis.tick_params(which="minor", color=MUTED, width=0.4, length=1.5)
    for label in (axis.xaxis.label, axis.yaxis.label):
        label.set(fontsize=LABEL, color=INK)
    axis.set_axisbelow(True)
    if grid is not None:
        axis.grid(axis=grid, color=GRID, linewidth=0.5)
    axis.patch.set_alpha(0)


def legend(figure: Figure, handles: Mapping[str, Any], width: float) -> None:
    """The names of the series below the plot, in as many columns as fit; none for a single series.

    Args:
        figure: the figure.
        handles: what is drawn, by name.
        width: of the figure, in inches.
    """
    if len(handles) < 2:
        return
    names = [shown(name) for name in handles]
    columns = legend_columns(names, width)
    # A legend leaves out labels that begin with an underscore; texts that are set afterwards it keeps.
    box = figure.legend(
        list(handles.values()),
        [" "] * len(names),
        loc="outside lower center",
        ncols=columns,
        fontsize=TICK,
        frameon=False,
        columnspacing=_SPACING,
        handlelength=_HANDLE,
        handletextpad=_PAD,
        labelspacing=0.3,
        borderaxespad=0.1,
    )
    for text, name in zip(box.get_texts(), names, strict=True):
        text.set_text(name)
        text.set_color(INK)


def legend_columns(names: Sequence[str], width: float, size: float = TICK) -> int:
    """How many columns of a legend fit side by side.

    Args:
        names: of the series.
        width: of the figure, in inches.
        size: of the type, in points.
    """
    for columns in range(len(names), 1, -1):
        parts = np.array_split(np.array([len(name) for name in names]), columns)
        letters = sum(0.58 * part.max() + _HANDLE + _PAD + _SPACING for part in parts)
        if letters * size / 72 <= width:
            return math.ceil(len(names) / math.ceil(len(names) / columns))  # with no shorter last row than need be
    return 1


def shown(name: str) -> str:
    """A name as a plot prints it: cut in the middle where it is too long, and never read as a formula."""
    text = " ".join(name.split())
    if len(text) > _LONGEST:
        head = (_LONGEST - 1) * 2 // 3
        text = text[:head] + "…" + text[head + 1 - _LONGEST :]
    return text.replace("$", r"\$")


def floats(values: Sequence[float | None], scale: float = 1.0) -> list[float]:
    """Numbers to draw; None is NaN, which leaves a gap."""
    return [math.nan if value is None else scale * value for value in values]


def counted(axis: Any, last: int) -> None:
    """Whole numbers from 1 to ``last`` along x, as many as can be read."""
    step = next(step for step in (1, 2, 5, 10, 20, 50, 100, 10**9) if last / step <= 11)
    axis.set_xticks([1, *range(step, last + 1, step)] if step > 1 else range(1, last + 1))
    axis.set_xlim(1 - 0.03 * max(last - 1, 1), last + 0.03 * max(last - 1, 1))
