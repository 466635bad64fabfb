"""The options of ``fusion_bench_report compare`` that write a page and figures."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from fusion_bench.reporting.comparison import Comparison
from fusion_bench.reporting.comparison_report import ComparisonOptions
from fusion_bench.reporting.run_problems import Problem


def add_page_options(command: argparse.ArgumentParser) -> None:
    """Add ``--html`` and ``--plots``."""
    command.add_argument(
        "--html", type=Path, metavar="FILE", help="write tables, plots, configurations and provenance as one HTML file"
    )
    command.add_argument("--plots", type=Path, metavar="DIR", help="write the plots as PNG and PDF to a directory")


def write_pages(
    options: argparse.Namespace, comparison: Comparison, problems: Sequence[Problem], shown: ComparisonOptions
) -> None:
    """Write what was asked for and name it on standard error.

    Args:
        options: the command line, read.
        comparison: the runs, grouped.
        problems: what was found beside them.
        shown: what is shown of the comparison.
    """
    if options.html is None and options.plots is None:
        return
    from fusion_bench.programs.provenance import command_line
    from fusion_bench.reporting.html_report import About, write_html
    from fusion_bench.reporting.plots.comparison import all_plots, write_plots

    plots = all_plots(comparison)
    if options.html is not None:
        about = About(options=shown, problems=problems, command=command_line(sys.argv))
        write_html(comparison, options.html, about, plots)
        sys.stderr.write(f"wrote {options.html}\n")
    if options.plots is not None:
        written = write_plots(plots, options.plots)
        sys.stderr.write(f"wrote {len(written)} files to {options.plots}\n")
