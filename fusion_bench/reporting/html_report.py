"""A comparison as one HTML file that needs nothing else: no network, no other file, no program."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from importlib.resources import files
from pathlib import Path

import jinja2
from markupsafe import Markup

from fusion_bench import __version__
from fusion_bench.reporting.comparison import Comparison, SuiteComparison
from fusion_bench.reporting.comparison_report import ComparisonOptions, build_report
from fusion_bench.reporting.comparison_sheets import known_metrics, results_sheet
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
from fusion_bench.reporting.metrics import METRICS, Metric, find_metrics
from fusion_bench.reporting.plots.comparison import Plot, comparison_plots
from fusion_bench.reporting.plots.files import svg_text
from fusion_bench.reporting.runs import Problem
from fusion_bench.reporting.sheets import Sheet
from fusion_bench.utils.files import write_text

_TITLES = {"results": "Results", "tasks": "Each task", "spread": "Spread over orders", "tests": "Paired tests"}


@dataclass(frozen=True, kw_only=True)
class About:
    """What a page shows besides the runs.

    Args:
        options: which metrics, tests and published results; without metrics it is all that some run has.
        problems: what was found beside the runs.
        command: what wrote it.
        title: of the page.
    """

    options: ComparisonOptions = ComparisonOptions()
    problems: Sequence[Problem] = ()
    command: str = ""
    title: str = "Comparison of runs"


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


def write_html(comparison: Comparison, path: Path, about: About) -> None:
    """Write the report of a comparison as one file, atomically.

    Args:
        comparison: the runs, grouped.
        path: the file.
        about: what is shown of it.

    Raises:
        ValueError: for a metric or a group that does not exist.
    """
    write_text(path, html_page(comparison, about))


def html_page(comparison: Comparison, about: About) -> str:
    """The page as text; see :func:`write_html`."""
    metrics = about.options.metrics or tuple(metric.name for metric in _known(comparison))
    report = build_report(comparison, about.problems, replace(about.options, metrics=metrics))
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_template), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    environment.filters["breakable"] = breakable
    style, script = _template("report.css").strip(), _template("report.js").strip()
    sheets = _by_table(report.sheets)
    published = [sheet for sheet in report.sheets if sheet.name == "published"]
    of_tables = [note for table in comparison.tables for note in table.notes]
    return environment.get_template("report.html.j2").render(
        title=about.title,
        command=about.command,
        style=Markup(style),  # ours, not the user's
        script=Markup(script),
        policy=f"default-src 'none'; base-uri 'none'; form-action 'none'; img-src data:; "
        f"style-src '{_digest(style)}'; script-src '{_digest(script)}'",
        written=f"{datetime.now(tz=timezone.utc):%Y-%m-%d %H:%M} UTC",
        version=__version__,
        sections=[
            _section(table, sheets[number], f"table-{number + 1}") for number, table in enumerate(comparison.tables)
        ],
        published=sheet_table(published[0], "published", "Published results") if published else None,
        notes=[note for note in report.notes if note not in of_tables],
        problems=about.problems,
    )


def breakable(text: str) -> Markup:
    """Text in which a line may end behind each of ``/ . _``."""
    return Markup("<wbr>").join(Markup.escape(part) for part in re.split(r"(?<=[/._])(?=\w)", text))


def picture(plot: Plot) -> Picture:
    """A figure as two SVG images in data addresses."""
    width, height = plot.figure.get_size_inches() * 96
    light, dark = (
        "data:image/svg+xml;base64," + base64.b64encode(svg_text(plot.figure, dark=is_dark).encode()).decode()
        for is_dark in (False, True)
    )
    return Picture(plot.title, plot.caption, light, dark, round(width), round(height))


def _section(table: SuiteComparison, sheets: Sequence[Sheet], key: str) -> Section:
    runs = [run for group in table.groups for run in group.runs]
    plots = comparison_plots(table)
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


def _by_table(sheets: Sequence[Sheet]) -> list[list[Sheet]]:
    """The sheets of each table of a comparison; its results come first."""
    parts: list[list[Sheet]] = []
    for sheet in sheets:
        if sheet.name == "results":
            parts.append([])
        parts[-1].append(sheet)
    return parts


def _known(comparison: Comparison) -> list[Metric]:
    """The metrics that some run has."""
    known = [metric for table in comparison.tables for metric in known_metrics(table, METRICS)]
    return [metric for metric in METRICS if metric in known]


def _facts(table: SuiteComparison) -> Iterable[tuple[str, str]]:
    """The figures at the top: a name and a number each."""
    (accuracy,) = find_metrics(["acc"], ())
    means = {group.label: sum(values) / len(values) for group in table.groups if (values := group.values(accuracy))}
    yield "groups", str(len(table.groups))
    yield "runs", str(sum(len(group.runs) for group in table.groups))
    yield "tasks", str(len(table.suite.tasks))
    if means:
        best = max(means, key=lambda label: means[label])
        yield "best average accuracy", f"{100 * means[best]:.1f} %, {best}"


def _template(name: str) -> str:
    return (files("fusion_bench.reporting") / "templates" / name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
