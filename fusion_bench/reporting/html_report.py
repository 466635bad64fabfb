"""A comparison as one HTML file that needs nothing else: no network, no other file, no program."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib.resources import files
from pathlib import Path

import jinja2
from markupsafe import Markup

from fusion_bench import __version__
from fusion_bench.reporting.comparison import Comparison, SuiteComparison
from fusion_bench.reporting.html_origin import (
    Listing,
    commands,
    configurations,
    differences_table,
    environments_table,
    fingerprints_table,
    times_table,
)
from fusion_bench.reporting.html_tables import HtmlTable, results_table, runs_table, tasks_table
from fusion_bench.reporting.metrics import find_metrics
from fusion_bench.reporting.plots.comparison import Plot, comparison_plots
from fusion_bench.reporting.plots.files import svg_text
from fusion_bench.reporting.runs import Problem
from fusion_bench.utils.files import write_text

_TEMPLATES = files("fusion_bench.reporting") / "templates"


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
    results: HtmlTable
    tasks: HtmlTable
    further: tuple[HtmlTable, ...]
    pictures: tuple[Picture, ...]
    groups: tuple[GroupPictures, ...]
    runs: HtmlTable
    differences: HtmlTable
    configurations: tuple[Listing, ...]
    commands: tuple[Listing, ...]
    origin: tuple[HtmlTable, ...]


def write_html(
    comparison: Comparison, path: Path, *, problems: Sequence[Problem] = (), title: str = "Comparison of runs"
) -> None:
    """Write the report of a comparison as one file, atomically.

    Args:
        comparison: the runs, grouped.
        path: the file.
        problems: what was found beside the runs.
        title: of the page.
    """
    write_text(path, html_page(comparison, problems=problems, title=title))


def html_page(comparison: Comparison, *, problems: Sequence[Problem] = (), title: str = "Comparison of runs") -> str:
    """The page as text; see :func:`write_html`."""
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: (_TEMPLATES / name).read_text(encoding="utf-8")),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style, script = (_inline(name) for name in ("report.css", "report.js"))
    page: str = environment.get_template("report.html.j2").render(
        title=title,
        style=Markup(style),  # ours, not the user's
        script=Markup(script),
        policy=f"default-src 'none'; base-uri 'none'; form-action 'none'; img-src data:; "
        f"style-src '{_digest(style)}'; script-src '{_digest(script)}'",
        written=f"{datetime.now(tz=timezone.utc):%Y-%m-%d %H:%M} UTC",
        version=__version__,
        sections=[_section(table, number) for number, table in enumerate(comparison.tables, start=1)],
        notes=comparison.notes,
        problems=problems,
    )
    return page + "\n"


def picture(plot: Plot) -> Picture:
    """A figure as two SVG images in data addresses."""
    width, height = plot.figure.get_size_inches() * 96
    light, dark = (
        "data:image/svg+xml;base64," + base64.b64encode(svg_text(plot.figure, dark=is_dark).encode()).decode()
        for is_dark in (False, True)
    )
    return Picture(plot.title, plot.caption, light, dark, round(width), round(height))


def _section(table: SuiteComparison, number: int) -> Section:
    key = f"table-{number}"
    runs = [run for group in table.groups for run in group.runs]
    plots = comparison_plots(table)
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
        results=results_table(table, f"{key}-results"),
        tasks=tasks_table(table, f"{key}-tasks"),
        further=(),
        pictures=tuple(picture(plot) for plot in plots if plot.group is None),
        groups=tuple(
            GroupPictures(label, tuple(picture(plot) for plot in plots if plot.group == label))
            for label in dict.fromkeys(plot.group for plot in plots if plot.group is not None)
        ),
        runs=runs_table(table, f"{key}-runs"),
        differences=differences_table(table, f"{key}-differences"),
        configurations=tuple(configurations(table)),
        commands=tuple(commands(table)),
        origin=tuple(one for one in origin if one.rows and len(one.columns) > 1),
    )


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


def _inline(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8").strip()


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
