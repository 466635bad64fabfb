"""The page of results, and its table for the front page."""

from __future__ import annotations

from collections.abc import Sequence

from tools.tiny8.results.bootstrap import Difference, interval
from tools.tiny8.results.scores import ORDERS, Row
from tools.tiny8.suite import NAMES

COMMAND = "python -m tools.tiny8.results"
_HEAD = f"""---
hide: [toc]  # the tables need the width
---

# Results on tiny8

Written by `{COMMAND}` from the shipped files, on the test images. Scaling
factors, thresholds and α are those with the best mean accuracy on the validation images, for continual methods in an
order of its own. Continual methods: mean over {ORDERS} random orders of the models (seeds 0 to {ORDERS - 1}), with the
standard deviation of the mean accuracy over orders. Intervals hold 95 % of a paired bootstrap over test images; the
fine-tuning itself has one seed, so that its chance is in none of the intervals.
"""


def page(rows: Sequence[Row], differences: Sequence[Difference], halves: str) -> str:
    """All of the page, in Markdown."""
    parts = [_HEAD, "## Accuracy in percent\n", table(rows), "\n## What can be told apart\n", _differences(differences)]
    return "\n".join([*parts, "\n## What it comes to\n", summary(rows, differences), "\n## Half precision\n", halves])


def table(rows: Sequence[Row]) -> str:
    """One row a method, one column a task."""
    lines = [f"| method | {' | '.join(NAMES)} | **mean** | ± over orders | 95 % interval |"]
    lines.append("|---" + "|---:" * (len(NAMES) + 2) + "|---|")
    for row in rows:
        cells = [f"{100 * row.accuracies[task]:.1f}" for task in NAMES]
        spread = "" if row.spread is None else f"{100 * row.spread:.2f}"
        low, high = interval(row.hits)
        cells += [f"**{100 * row.mean:.2f}**", spread, f"{100 * low:.1f} to {100 * high:.1f}"]
        lines.append(f"| {row.name}{_options(row)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def short_table(rows: Sequence[Row]) -> str:
    """Methods and means only."""
    lines = ["| method | mean accuracy of eight tasks, % | ± over orders |", "|---|---:|---:|"]
    for row in rows:
        spread = "" if row.spread is None else f"{100 * row.spread:.2f}"
        lines.append(f"| {row.name}{_options(row)} | {100 * row.mean:.2f} | {spread} |")
    return "\n".join(lines)


def summary(rows: Sequence[Row], differences: Sequence[Difference]) -> str:
    """What the suite gives fine-tuning to teach, what the best merge recovers of it, and which order is significant."""
    by_name = {row.name: row for row in rows}
    first, last = by_name["pretrained"], by_name["individual"]
    merged = [row for row in rows if row.name not in (first.name, last.name)]
    best = max(merged, key=lambda row: row.mean)
    gaps = {task: 100 * (last.accuracies[task] - first.accuracies[task]) for task in NAMES}
    narrow = min(gaps, key=lambda task: gaps[task])
    share = (best.mean - first.mean) / (last.mean - first.mean)
    told = [f"{d.first} from {d.second}" for d in differences if d.is_significant]
    open_ = [f"{d.first} from {d.second}" for d in differences if not d.is_significant]
    return (
        f"Fine-tuning adds {100 * (last.mean - first.mean):.1f} points to the mean of the tasks, least to {narrow} "
        f"({gaps[narrow]:.1f}). The best merge, {best.name}, recovers {100 * share:.0f} % of that. The largest spread "
        f"over orders is {max(100 * (row.spread or 0) for row in rows):.2f} points. Told apart with 95 % confidence: "
        f"{'; '.join(told) or 'none'}. Not told apart: {'; '.join(open_) or 'none'}."
    )


def _differences(differences: Sequence[Difference]) -> str:
    lines = ["| difference | points | 95 % interval | significant |", "|---|---:|---|---|"]
    for d in differences:
        bounds = f"{100 * d.low:+.2f} to {100 * d.high:+.2f}"
        verdict = "yes" if d.is_significant else "no"
        lines.append(f"| {d.first} − {d.second} | {100 * d.value:+.2f} | {bounds} | {verdict} |")
    return "\n".join(lines)


def _options(row: Row) -> str:
    names = {"scaling_factor": "λ", "threshold": "keep %", "alpha": "α"}
    return "".join(f", {names[key]} {value:g}" for key, value in row.options.items())
