"""Collects the reports below a directory into one table: ``python examples/opcm/summary.py DIRECTORY``."""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from fusion_bench.report import ContinualReport, EvalReport

REPORT = "program_report.json"
CONTINUAL_REPORT = "continual_report.json"
Metrics = dict[str, float]


def metrics_of(run: Path) -> Metrics:
    """Accuracy on every task, their mean, and backward transfer where the run has it, as shares."""
    report = EvalReport.from_dict(json.loads((run / REPORT).read_text(encoding="utf-8")))
    metrics = {task: score.accuracy for task, score in report.scores.items()}
    if report.average is not None:
        metrics["mean"] = report.average.accuracy
    if (run / CONTINUAL_REPORT).is_file():
        continual = ContinualReport.from_dict(json.loads((run / CONTINUAL_REPORT).read_text(encoding="utf-8")))
        if continual.backward_transfer is not None:
            metrics["BWT"] = continual.backward_transfer
    return metrics


def collect(directory: Path) -> dict[str, list[Metrics]]:
    """The metrics of all finished runs, by the directory that holds the versions of a run."""
    found: dict[str, list[Metrics]] = {}
    for report in sorted(directory.glob(f"**/version_*/{REPORT}")):
        name = report.parents[1].relative_to(directory).as_posix()
        found.setdefault(name, []).append(metrics_of(report.parent))
    return found


def cell(values: Sequence[float]) -> str:
    """Mean in percent, with the standard deviation where there are several values; empty for none."""
    if not values:
        return ""
    mean = f"{100 * statistics.fmean(values):.1f}"
    return mean if len(values) == 1 else f"{mean} ± {100 * statistics.stdev(values):.1f}"


def table(found: Mapping[str, Sequence[Metrics]]) -> str:
    """A Markdown table with a row for each name."""
    columns = list(dict.fromkeys(key for runs in found.values() for metrics in runs for key in metrics))
    columns.sort(key=("mean", "BWT").__contains__)  # these last, the tasks in their order
    rows = [["run", "runs", *columns], ["---", *["---:"] * (len(columns) + 1)]]
    for name, runs in found.items():
        cells = [cell([metrics[key] for metrics in runs if key in metrics]) for key in columns]
        rows.append([name, str(len(runs)), *cells])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "| " + " | ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) + " |" for row in rows
    )


def main() -> None:
    if len(sys.argv) != 2 or not Path(sys.argv[1]).is_dir():
        sys.exit(f"{__doc__}\nThe directory holds runs: DIRECTORY/**/version_N/{REPORT}")
    found = collect(Path(sys.argv[1]))
    if not found:
        sys.exit(f"no finished run below {sys.argv[1]}: no **/version_N/{REPORT}")
    print(table(found))


if __name__ == "__main__":
    main()
