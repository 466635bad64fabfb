"""The parts of an HTML report: what it says of each table of a comparison."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fusion_bench.reporting.comparison import SuiteComparison
from fusion_bench.reporting.comparison_sheets import results_sheet
from fusion_bench.reporting.html_origin import (
    Listing,
    commands,
    configurations,
    differences_table,
    environments_table,
    fingerprints_table,
    times_table,
)
from fusion_bench.reporting.html_tables import HtmlTable, runs_table, sheet_table
from fusion_bench.reporting.metrics import find_metrics
from fusion_bench.reporting.plots.files import in_dark, svg_text
from fusion_bench.reporting.plots.plot import Plot
from fusion_bench.reporting.sheets import Sheet
from fusion_bench.reporting.statistics import summarise

_TITLES = {"results": "Results", "tasks": "Each task", "spread": "Spread over orders", "tests": "Paired tests"}


@dataclass(frozen=True)
class Picture:
    """A figure on the page, as data, for light and for dark pages; sizes in CSS pixels."""

    title: str
    caption: str
    light: str
    dark: str
    width: int
    height: int


@dataclass(frozen=True)
class GroupPictures:
    """The figures of one group."""

    label: str
    pictures: tuple[Picture, ...]


@dataclass(frozen=True)
class Section:
    """What the page says of one table of a comparison."""

    key: str
    title: str
    facts: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    results: tuple[HtmlTable, ...]
    pictures: tuple[Picture, ...]
    groups: tuple[GroupPictures, ...]
    differences: HtmlTable
    configurations: tuple[Listing, ...]
    runs: HtmlTable
    commands: tuple[Listing, ...]
    origin: tuple[HtmlTable, ...]


def picture(plot: Plot) -> Picture:
    """A figure as two SVG images in data addresses."""
    width, height = plot.figure.get_size_inches() * 96
    svg = svg_text(plot.figure)
    light, dark = (
        "data:image/svg+xml;base64," + base64.b64encode(text.encode()).decode() for text in (svg, in_dark(svg))
    )
    return Picture(plot.title, plot.caption, light, dark, round(width), round(height))


def section_of(table: SuiteComparison, sheets: Sequence[Sheet], plots: Sequence[Plot], key: str) -> Section:
    """The section of a table.

    Args:
        table: the groups.
        sheets: its results, spread and tests.
        plots: its figures.
        key: its identifier on the page.
    """
    runs = [run for group in table.groups for run in group.runs]
    tasks = results_sheet(table, find_metrics(["tasks"], table.suite.tasks))
    named = {"tasks": tasks} | {sheet.name: sheet for sheet in sheets}
    origin = (
        environments_table(runs, f"{key}-environment"),
        times_table(table, f"{key}-times"),
        fingerprints_table(runs, f"{key}-fingerprints"),
    )
    return Section(
        key=key,
        title=table.title,
        facts=tuple(_facts(table)),
        notes=table.notes,
        results=tuple(
            sheet_table(named[name], f"{key}-{name}", title, table.notes)
            for name, title in _TITLES.items()
            if name in named
        ),
        pictures=tuple(picture(plot) for plot in plots if plot.group is None),
        groups=tuple(
            GroupPictures(label, tuple(picture(plot) for plot in plots if plot.group == label))
            for label in dict.fromkeys(plot.group for plot in plots if plot.group is not None)
        ),
        differences=differences_table(table, f"{key}-differences"),
        configurations=tuple(configurations(table)),
        runs=runs_table(table, f"{key}-runs"),
        commands=tuple(commands(table)),
        origin=tuple(one for one in origin if one.rows and len(one.columns) > 1),
    )


def _facts(table: SuiteComparison) -> Iterable[tuple[str, str]]:
    """The figures at the top: a name and a number each."""
    (accuracy,) = find_metrics(["acc"], ())
    summaries = {group.label: summarise(group.values(accuracy)) for group in table.groups}
    means = {label: summary.mean for label, summary in summaries.items() if summary is not None}
    yield "groups", str(len(table.groups))
    yield "runs", str(sum(len(group.runs) for group in table.groups))
    yield "tasks", str(len(table.suite.tasks))
    if means:
        best = max(means, key=lambda label: means[label])
        yield "best average accuracy", f"{100 * means[best]:.1f} %, {best}"
