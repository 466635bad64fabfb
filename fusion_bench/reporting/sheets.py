"""A table before it is text: cells that are words or figures, the best of a column marked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

Mark = Literal["", "best", "second"]


@dataclass(frozen=True)
class Figure:
    """A share in 0..1, or a difference of shares, that is written in percent.

    Args:
        mean: the share; None where it is not known, which is an empty cell.
        std: its standard deviation; None where there is none.
        signed: whether it is written with its sign.
        mark: whether it is the best or second best of its column.
    """

    mean: float | None
    std: float | None = None
    signed: bool = False
    mark: Mark = ""


Cell = str | Figure


@dataclass(frozen=True)
class Sheet:
    """A titled table.

    Args:
        name: for files and anchors: ``results``, ``tests``.
        title: a heading in words.
        header: names of the columns.
        rows: as many cells each as there are columns.
        left: how many columns, from the first, hold text.
        decimals: of the figures, in percent.
        notes: sentences for the reader.
    """

    name: str
    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    left: int = 1
    decimals: int = 1
    notes: tuple[str, ...] = ()


def mean_text(figure: Figure, decimals: int) -> str:
    """The mean in percent; empty where it is not known."""
    return "" if figure.mean is None else _percent(figure.mean, decimals, "+" if figure.signed else "")


def std_text(figure: Figure, decimals: int) -> str:
    """The standard deviation in percent; empty where there is none."""
    return "" if figure.std is None or figure.mean is None else _percent(figure.std, decimals)


def cell_text(cell: Cell, decimals: int) -> str:
    """A cell as plain text: ``63.3 ± 0.3``."""
    if isinstance(cell, str):
        return cell
    return " ± ".join(part for part in (mean_text(cell, decimals), std_text(cell, decimals)) if part)


def mark_best(figures: Sequence[Figure], *, higher_is_better: bool, decimals: int) -> list[Figure]:
    """Mark the best and the second best of a column; what is printed alike is equally good.

    A column in which nothing differs from the best is left unmarked.
    """
    printed = [None if figure.mean is None else float(mean_text(figure, decimals)) for figure in figures]
    known = sorted(dict.fromkeys(value for value in printed if value is not None), reverse=higher_is_better)
    if len(known) < 2:
        return list(figures)
    marks: dict[float | None, Mark] = {known[0]: "best", known[1]: "second"}
    return [replace(figure, mark=marks.get(value, "")) for figure, value in zip(figures, printed, strict=True)]


def _percent(value: float, decimals: int, sign: str = "") -> str:
    text = f"{100 * value:{sign}.{decimals}f}"
    return text.lstrip("+-") if float(text) == 0 else text
