"""A comparison as one HTML file that needs nothing else: no network, no other file, no program."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from fusion_bench import __version__
from fusion_bench.reporting.comparison import Comparison
from fusion_bench.reporting.comparison_report import ComparisonOptions, build_report
from fusion_bench.reporting.comparison_sheets import known_metrics
from fusion_bench.reporting.html_sections import section_of
from fusion_bench.reporting.html_tables import sheet_table
from fusion_bench.reporting.metrics import METRICS, find_metrics
from fusion_bench.reporting.plots.comparison import all_plots
from fusion_bench.reporting.plots.plot import Plot
from fusion_bench.reporting.run_problems import Problem
from fusion_bench.reporting.sheets import Sheet
from fusion_bench.utils.files import write_text


@dataclass(frozen=True, kw_only=True)
class About:
    """What a page shows besides the runs.

    Args:
        options: which metrics, tests and published results; without metrics it is all that some run has.
        problems: what was found beside the runs.
        command: what wrote it.
        title: of the page.
    """

    options: ComparisonOptions = field(default_factory=ComparisonOptions)
    problems: Sequence[Problem] = ()
    command: str = ""
    title: str = "Comparison of runs"


def write_html(comparison: Comparison, path: Path, about: About, plots: Sequence[Sequence[Plot]] | None = None) -> None:
    """Write the report of a comparison as one file, atomically.

    Args:
        comparison: the runs, grouped.
        path: the file.
        about: what is shown of it.
        plots: the figures of each table; None draws them.

    Raises:
        ValueError: for a metric or a group that does not exist.
    """
    write_text(path, html_page(comparison, about, plots))


def html_page(comparison: Comparison, about: About, plots: Sequence[Sequence[Plot]] | None = None) -> str:
    """The page as text; see :func:`write_html`."""
    content = _content(comparison, about, plots)
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_template), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    environment.filters["breakable"] = breakable
    style, script = _template("report.css").strip(), _template("report.js").strip()
    return environment.get_template("report.html.j2").render(
        content,
        style=Markup(style),  # ours, not the user's
        script=Markup(script),
        policy=f"default-src 'none'; base-uri 'none'; form-action 'none'; img-src data:; "
        f"style-src '{_digest(style)}'; script-src '{_digest(script)}'",
        written=f"{datetime.now(tz=timezone.utc):%Y-%m-%d %H:%M} UTC",
        version=__version__,
    )


def _content(comparison: Comparison, about: About, plots: Sequence[Sequence[Plot]] | None) -> dict[str, Any]:
    """What the template fills in of the comparison."""
    report = build_report(comparison, about.problems, replace(about.options, metrics=_chosen(comparison, about)))
    drawn = all_plots(comparison) if plots is None else plots
    published = [sheet for sheet in report.sheets if sheet.name == "published"]
    of_tables = [note for table in comparison.tables for note in table.notes]
    parts = zip(comparison.tables, _by_table(report.sheets), drawn, strict=True)
    return {
        "title": about.title,
        "command": about.command,
        "sections": [
            section_of(table, sheets, figures, f"table-{number}")
            for number, (table, sheets, figures) in enumerate(parts, start=1)
        ],
        "published": sheet_table(published[0], "published", "Published results") if published else None,
        "notes": [note for note in report.notes if note not in of_tables],
        "problems": about.problems,
    }


def _chosen(comparison: Comparison, about: About) -> tuple[str, ...]:
    """The metrics beside those of the tasks, which are always shown: those asked for, else all that some run has.

    Raises:
        ValueError: for a name of neither a metric nor a task.
    """
    tasks = list(dict.fromkeys(task for table in comparison.tables for task in table.suite.tasks))
    asked = [metric for metric in find_metrics(about.options.metrics, tasks) if metric.name not in tasks]
    known = [metric for table in comparison.tables for metric in known_metrics(table, METRICS)]
    return tuple(metric.name for metric in asked or [metric for metric in METRICS if metric in known])


def breakable(text: str) -> Markup:
    """Text in which a line may end inside long names, behind each of ``/ . _``."""
    return Markup("<wbr>").join(Markup.escape(part) for part in re.split(r"(?<=[/._])(?=[^\W\d])", text))


def _by_table(sheets: Sequence[Sheet]) -> list[list[Sheet]]:
    """The sheets of each table of a comparison; its results come first."""
    parts: list[list[Sheet]] = []
    for sheet in sheets:
        if sheet.name == "results":
            parts.append([])
        parts[-1].append(sheet)
    return parts


def _template(name: str) -> str:
    return (files("fusion_bench.reporting") / "templates" / name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
