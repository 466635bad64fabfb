"""The commands and options of ``fusion_bench_report``."""

from __future__ import annotations

import argparse
from pathlib import Path

from fusion_bench.cli.report_pages import add_page_options
from fusion_bench.reporting.formats import FORMATS
from fusion_bench.reporting.metrics import METRICS

_METRIC_NAMES = f"{', '.join(metric.name for metric in METRICS)}, the name of a task, or tasks for all of them"


def make_parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    parser = argparse.ArgumentParser(
        prog="fusion_bench_report",
        description="Find finished runs by their files, look at one, and compare them in tables.",
        epilog="Try first: fusion_bench_report compare outputs",
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="list | show | compare")
    _add_list(commands)
    _add_show(commands)
    _add_compare(commands)
    return parser


def _add_list(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser("list", help="every finished run below directories", allow_abbrev=False)
    _add_directories(command)
    command.add_argument("--metric", "--metrics", type=_names, default=("acc", "bwt"), help=_METRIC_NAMES)
    _add_format(command)
    command.set_defaults(command="list")


def _add_show(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser("show", help="one run: options, scores, provenance", allow_abbrev=False)
    command.add_argument("run", metavar="RUN", type=Path, help="the directory of the run")
    command.add_argument("--format", choices=("text", "json"), default="text")
    command.set_defaults(command="show")


def _add_compare(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser(
        "compare",
        help="methods side by side: mean and deviation over orders, intervals, paired tests",
        description="Runs that differ in nothing but order or seed are one row. Runs on other data or backbones are "
        "tables of their own; runs with other options are rows of their own, whatever --by says.",
        allow_abbrev=False,
    )
    _add_directories(command)
    command.add_argument(
        "--by",
        type=_names,
        default=("method",),
        metavar="KEYS",
        help="columns that tell rows apart: method, backbone, suite, seed, an option of a method such as alpha, or a "
        "place in config.yaml such as fabric.precision (default: method)",
    )
    command.add_argument(
        "--metric", "--metrics", type=_names, default=(), metavar="METRICS", help=f"{_METRIC_NAMES} (default: acc,bwt)"
    )
    command.add_argument(
        "--tests", type=_names, default=("acc",), metavar="METRICS", help="metrics of paired tests, or none"
    )
    command.add_argument("--against", metavar="METHOD", help="test all others against this row instead of all pairs")
    command.add_argument("--published", action="store_true", help="set published results of the suite beside")
    command.add_argument("--confidence", type=float, default=0.95, help="of intervals (default: 0.95)")
    command.add_argument("--decimals", type=int, default=1, help="of the results in percent (default: 1)")
    _add_format(command)
    command.add_argument(
        "--write", type=Path, metavar="DIR", help="write Markdown, LaTeX, CSV and JSON files to a directory"
    )
    add_page_options(command)
    command.set_defaults(command="compare")


def _add_directories(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "directories", metavar="DIR", nargs="*", type=Path, help="searched with all inside (default: outputs)"
    )


def _add_format(command: argparse.ArgumentParser) -> None:
    command.add_argument("--format", choices=FORMATS, default="text", help="of what is printed (default: text)")


def _names(text: str) -> tuple[str, ...]:
    """A comma-separated list."""
    return tuple(name.strip() for name in text.split(",") if name.strip())
