"""A figure with the words that go with it."""

from __future__ import annotations

from dataclasses import dataclass

from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False, kw_only=True)
class Plot:
    """A figure of a comparison.

    Args:
        name: of its files, without an ending.
        title: what it shows.
        caption: how to read it, a sentence or two.
        figure: the figure.
        group: whose it is; None for a figure of all groups.
    """

    name: str
    title: str
    caption: str
    figure: Figure
    group: str | None = None
