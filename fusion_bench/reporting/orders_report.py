"""What several orders of one method come to: a row an order, and mean and standard deviation over orders."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fusion_bench.report import ContinualReport
from fusion_bench.reporting.tables import percent, text_table

METRICS = ("ACC", "BWT", "BWT_over_T", "forgetting", "normalised_accuracy")
_HEADINGS = {"BWT_over_T": "BWT over T", "normalised_accuracy": "normalised"}


@dataclass(frozen=True)
class OrdersReport:
    """The results of several orders, by the name of their directories, in the order in which they were drawn."""

    orders: Mapping[str, ContinualReport]

    @property
    def rows(self) -> dict[str, dict[str, float | None]]:
        """The metrics of each order, as shares; None where one is not known."""
        return {name: {key: report.to_dict()[key] for key in METRICS} for name, report in self.orders.items()}

    @property
    def task_rows(self) -> dict[str, dict[str, float | None]]:
        """The final accuracy on each task, as a share, for each order."""
        return {
            name: dict(sorted(zip(report.tasks, report.final, strict=True))) for name, report in self.orders.items()
        }

    def to_dict(self) -> dict[str, Any]:
        """The JSON form, ``orders_report.json``."""
        tasks = self.task_rows
        entries = [
            {"directory": name, "order": list(self.orders[name].order), **row, "accuracy": tasks[name]}
            for name, row in self.rows.items()
        ]
        return {
            "orders": entries,
            "mean": {**mean_of(self.rows), "accuracy": mean_of(tasks)},
            "std": {**deviation_of(self.rows), "accuracy": deviation_of(tasks)},
        }

    def table(self) -> str:
        """The metrics in percent: a row an order, then the mean and the standard deviation over orders."""
        mean, deviation = mean_of(self.rows), deviation_of(self.rows)
        shown = [key for key in METRICS if any(row[key] is not None for row in self.rows.values())]
        rows = [[name, *(percent(row[key]) for key in shown)] for name, row in self.rows.items()]
        rows.append(["mean ± std", *(_spread(mean[key], deviation[key]) for key in shown)])
        return text_table(["order", *(_HEADINGS.get(key, key) for key in shown)], rows, left=1)


def mean_of(rows: Mapping[str, Mapping[str, float | None]]) -> dict[str, float | None]:
    """The mean of each column; None where a value is missing."""
    return {key: statistics.fmean(values) if values else None for key, values in _columns(rows).items()}


def deviation_of(rows: Mapping[str, Mapping[str, float | None]]) -> dict[str, float | None]:
    """The sample standard deviation (n - 1) of each column; None where a value is missing or there is but one."""
    return {key: statistics.stdev(values) if len(values) > 1 else None for key, values in _columns(rows).items()}


def _columns(rows: Mapping[str, Mapping[str, float | None]]) -> dict[str, list[float]]:
    """The values of each column; none where one is missing."""
    found: dict[str, list[float | None]] = {}
    for row in rows.values():
        for key, value in row.items():
            found.setdefault(key, []).append(value)
    return {key: _complete(values, len(rows)) for key, values in found.items()}


def _complete(values: Sequence[float | None], count: int) -> list[float]:
    known = [value for value in values if value is not None]
    return known if len(known) == count else []


def _spread(mean: float | None, deviation: float | None) -> str:
    if mean is None or deviation is None:
        return percent(mean)
    return f"{100 * mean:.1f} ± {100 * deviation:.2f}"
