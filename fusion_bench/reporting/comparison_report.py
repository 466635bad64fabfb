"""A whole comparison: its tables, tests and notes, ready to be printed or written in every format."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fusion_bench.reporting.comparison import Comparison, Group, SuiteComparison
from fusion_bench.reporting.comparison_json import comparison_json
from fusion_bench.reporting.comparison_sheets import known_metrics, results_sheet, significance_sheet, spread_sheet
from fusion_bench.reporting.metrics import METRICS, TASKS, Metric, find_metrics
from fusion_bench.reporting.published_match import published_differences, published_sheet, why_nothing_is_published
from fusion_bench.reporting.run_problems import Problem
from fusion_bench.reporting.sheets import Sheet
from fusion_bench.reporting.significance import PairedTest, paired_tests

DEFAULT_METRICS = ("acc", "bwt")
NO_TESTS = "none"


@dataclass(frozen=True, kw_only=True)
class ComparisonOptions:
    """What is shown of a comparison.

    Args:
        metrics: their names; empty for those of ACC and BWT that the runs have.
        tested: the metrics of paired tests; ``("none",)`` for no tests.
        against: label or method of the group that all others are tested against; None tests all pairs.
        published: whether published results stand beside.
        confidence: of all intervals, in 0..1.
        decimals: of the results, in percent.
    """

    metrics: tuple[str, ...] = ()
    tested: tuple[str, ...] = ("acc",)
    against: str | None = None
    published: bool = False
    confidence: float = 0.95
    decimals: int = 1

    def __post_init__(self) -> None:
        if not 0 < self.confidence < 1:
            raise ValueError(f"the confidence must be between 0 and 1, such as 0.95; got {self.confidence}")
        if not 0 <= self.decimals <= 9:
            raise ValueError(f"the number of decimals must be in 0..9, got {self.decimals}")


@dataclass(frozen=True, eq=False)
class ComparisonReport:
    """The sheets in the order in which they are read, sentences for the reader, and the JSON form of all of it."""

    sheets: tuple[Sheet, ...]
    notes: tuple[str, ...]
    content: dict[str, Any]


def build_report(comparison: Comparison, problems: Sequence[Problem], options: ComparisonOptions) -> ComparisonReport:
    """Compute what the options ask for.

    Raises:
        ValueError: for a metric or a group that does not exist.
    """
    tested_names = () if options.tested == (NO_TESTS,) else options.tested
    _check_names(comparison, (*options.metrics, *tested_names))
    _check_against(comparison, options.against)
    notes = list(comparison.notes)
    sheets: list[Sheet] = []
    metrics: dict[SuiteComparison, Sequence[Metric]] = {}
    tests: dict[SuiteComparison, Sequence[PairedTest]] = {}
    for table in comparison.tables:
        metrics[table] = chosen = _metrics_of(table, options.metrics)
        notes += _missing(table, chosen)
        against = _find_group(table, options.against)
        tests[table] = [
            test
            for metric in _metrics_of(table, tested_names or DEFAULT_METRICS[:1])
            for test in paired_tests(table.groups, metric, against=against, confidence=options.confidence)
            if tested_names
        ]
        sheets.append(results_sheet(table, chosen, options.decimals))
        spread = spread_sheet(table, [metric for metric in chosen if metric in METRICS], options.confidence)
        sheets += [spread] if spread is not None else []
        done = any(not test.reason for test in tests[table])
        significance = significance_sheet(table, tests[table], options.confidence) if done else None
        sheets += [significance] if significance is not None else []
        if tests[table] and not done:
            reasons = ", ".join(dict.fromkeys(test.reason for test in tests[table]))
            notes.append(f"{table.title}: no paired tests: {reasons}.")
    published = published_differences(comparison) if options.published else []
    if published:
        sheets.append(published_sheet(published))
    elif options.published:
        notes.append(why_nothing_is_published(comparison))
    content = comparison_json(comparison, metrics, tests, published, problems, options.confidence)
    return ComparisonReport(tuple(sheets), tuple(notes), content | {"notes": notes})


def _check_names(comparison: Comparison, names: Sequence[str]) -> None:
    """Find a metric that no table has."""
    find_metrics(names, list(dict.fromkeys(task for table in comparison.tables for task in table.suite.tasks)))


def _metrics_of(table: SuiteComparison, names: Sequence[str]) -> list[Metric]:
    """The metrics of these names that the table can have; by default those that it has."""
    if not names:
        return known_metrics(table, find_metrics(DEFAULT_METRICS, ()))
    possible = (*(metric.name for metric in METRICS), TASKS, *table.suite.tasks)
    return find_metrics([name for name in names if name in possible], table.suite.tasks)


def _missing(table: SuiteComparison, metrics: Sequence[Metric]) -> list[str]:
    known = known_metrics(table, metrics)
    return [
        f"{table.title}: no run has {metric.name}; it needs {metric.needs}."
        for metric in metrics
        if metric not in known and metric.needs
    ]


def _check_against(comparison: Comparison, against: str | None) -> None:
    if against is not None and not any(_find_group(table, against) for table in comparison.tables):
        labels = dict.fromkeys(group.label for table in comparison.tables for group in table.groups)
        raise ValueError(f"no group {against!r} to test against, or several; there are: {'; '.join(labels)}")


def _find_group(table: SuiteComparison, name: str | None) -> Group | None:
    """The group of this label, or the only one of this method."""
    named = [group for group in table.groups if group.label == name]
    of_method = [group for group in table.groups if group.runs[0].method == name]
    found = named or of_method
    return found[0] if len(found) == 1 else None
