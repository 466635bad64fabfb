"""The command ``fusion_bench_report``: find finished runs, look at one, compare them."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from fusion_bench.cli.report_options import make_parser
from fusion_bench.cli.report_pages import write_pages
from fusion_bench.reporting.comparison import compare_runs
from fusion_bench.reporting.comparison_json import run_json
from fusion_bench.reporting.comparison_report import ComparisonOptions, build_report
from fusion_bench.reporting.formats import render, write_report
from fusion_bench.reporting.metrics import METRICS, find_metrics
from fusion_bench.reporting.run import Run
from fusion_bench.reporting.run_sheets import run_text, runs_sheet
from fusion_bench.reporting.runs import FoundRuns, find_runs


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of the console script and of ``python -m fusion_bench.cli.report``.

    What a user can act on ends the process with status 1 and one message.
    """
    options = make_parser().parse_args(arguments)
    try:
        _ANSWERS[options.command](options)
    except BrokenPipeError:  # the reader of our output, such as `head`, has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        sys.exit(f"error: {error.strerror or error}{f': {error.filename}' if error.filename is not None else ''}")
    except ValueError as error:
        sys.exit(f"error: {error}")


def _list(options: argparse.Namespace) -> None:
    found = _found(options.directories)
    tasks = list(dict.fromkeys(task for run in found.runs for task in run.suite.tasks))
    metrics = find_metrics(options.metric, tasks)
    content = [run_json(run, metrics) for run in found.runs]
    _print(render([runs_sheet(found.runs, metrics)], (), content, options.format))


def _show(options: argparse.Namespace) -> None:
    found = find_runs([_existing(options.run)])
    own = [run for run in found.runs if run.directory == options.run] or list(found.runs)
    if len(own) != 1:
        about = [str(problem) for problem in found.problems] or [f"{options.run} holds no finished run"]
        raise ValueError(
            f"{len(own)} runs below {options.run}; see them with: fusion_bench_report list {options.run}"
            if own
            else "; ".join(about)
        )
    _report_problems(found)
    (run,) = own
    _print(render([], (), _whole(run), "json") if options.format == "json" else f"{run_text(run)}\n")


def _whole(run: Run) -> dict[str, object]:
    """Everything that is known of a run."""
    return run_json(run, METRICS) | {
        "report": run.report.to_dict(),
        "continual_report": run.continual.to_dict() if run.continual is not None else None,
        "config": run.config,
        "overrides": list(run.overrides),
        "provenance": run.provenance,
    }


def _compare(options: argparse.Namespace) -> None:
    shown = ComparisonOptions(
        metrics=options.metric,
        tested=options.tests,
        against=options.against,
        published=options.published,
        confidence=options.confidence,
        decimals=options.decimals,
    )
    found = _found(options.directories)
    comparison = compare_runs(found.runs, options.by)
    report = build_report(comparison, found.problems, shown)
    _print(render(report.sheets, report.notes, report.content, options.format))
    if options.write is not None:
        for path in write_report(report, runs_sheet(found.runs, METRICS), options.write):
            sys.stderr.write(f"wrote {path}\n")
    write_pages(options, comparison, found.problems, shown)


def _found(directories: Sequence[Path]) -> FoundRuns:
    """The runs below the directories; what is left out is said on standard error.

    Raises:
        ValueError: if there is no finished run.
    """
    chosen = list(directories) or [Path(os.environ.get("FUSION_BENCH_PROJECT_ROOT", "."), "outputs")]
    found = find_runs([_existing(directory) for directory in chosen])
    _report_problems(found)
    if not found.runs:
        raise ValueError(
            f"no finished run below {', '.join(map(str, chosen))}: a run has config.yaml and program_report.json"
        )
    return found


def _existing(directory: Path) -> Path:
    if not directory.is_dir():
        raise ValueError(f"no directory {directory}; give the output directory of runs, such as outputs")
    return directory


def _report_problems(found: FoundRuns) -> None:
    for problem in found.problems:
        kept = problem.state == "incomplete"
        sys.stderr.write(f"{'note' if kept else 'left out'}: {problem}\n")


def _print(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


_ANSWERS = {"list": _list, "show": _show, "compare": _compare}

if __name__ == "__main__":
    main()
