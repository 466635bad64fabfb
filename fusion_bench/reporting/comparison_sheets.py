"""The tables of a comparison: results, spread over orders, paired tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fusion_bench.reporting.comparison import Group, SuiteComparison
from fusion_bench.reporting.grouping import key_text
from fusion_bench.reporting.metrics import METRICS, Metric, individual_accuracy
from fusion_bench.reporting.sheets import Cell, Figure, Sheet, mark_best
from fusion_bench.reporting.significance import PairedTest
from fusion_bench.reporting.statistics import ENOUGH_PAIRS, RESAMPLES, summarise

REFERENCE = "individual models"


def results_sheet(table: SuiteComparison, metrics: Sequence[Metric], decimals: int = 1) -> Sheet:
    """A row for each group with mean and standard deviation of every metric; individual accuracies last, unranked."""
    columns = [
        mark_best(
            [_figure(group, metric) for group in table.groups],
            higher_is_better=metric.higher_is_better,
            decimals=decimals,
        )
        for metric in metrics
    ]
    rows: list[tuple[Cell, ...]] = [
        (*_key_cells(group, table.keys), str(len(group.runs)), *(column[index] for column in columns))
        for index, group in enumerate(table.groups)
    ]
    rows += _reference_row(table, metrics)
    titles = (metric.title for metric in metrics)
    return Sheet(
        name="results",
        title=table.title,
        header=(*table.keys, "runs", *titles),
        rows=tuple(rows),
        left=len(table.keys),
        decimals=decimals,
        notes=(
            "In percent; mean ± sample standard deviation (n − 1) over the orders, or seeds, of a row.",
            *table.notes,
        ),
    )


def spread_sheet(
    table: SuiteComparison, metrics: Sequence[Metric], confidence: float = 0.95, decimals: int = 2
) -> Sheet | None:
    """How far the runs of each group lie apart, with an interval of the mean; None where no group has two runs."""
    rows: list[tuple[Cell, ...]] = []
    for group in table.groups:
        for metric in metrics:
            values = group.values(metric)
            summary = summarise(values, confidence)
            if summary is None or summary.std is None:
                continue
            figures = (summary.mean, summary.std, summary.low, summary.high, min(values), max(values))
            rows.append((group.label, metric.title, str(summary.count), *map(Figure, figures)))
    if not rows:
        return None
    percent = f"{100 * confidence:g} %"
    return Sheet(
        name="spread",
        title=f"{table.title}: spread over orders",
        header=("group", "metric", "runs", "mean", "std", f"{percent} from", "to", "min", "max"),
        rows=tuple(rows),
        left=2,
        decimals=decimals,
        notes=(f"In percent. {percent} confidence interval of the mean: Student's t over the runs.",),
    )


def significance_sheet(table: SuiteComparison, tests: Sequence[PairedTest], confidence: float = 0.95) -> Sheet | None:
    """The paired tests of a table; None where there is none."""
    if not tests:
        return None
    percent = f"{100 * confidence:g} %"
    reasons = any(test.reason for test in tests)
    return Sheet(
        name="tests",
        title=f"{table.title}: paired tests over orders",
        header=(
            *("first", "second", "metric", "orders", "first − second", f"{percent} from", "to"),
            *("Wilcoxon p", "Wilcoxon p (Holm)", "bootstrap p", "bootstrap p (Holm)"),
            *(["not tested"] if reasons else []),
        ),
        rows=tuple((*_test_row(test), *([test.reason] if reasons else [])) for test in tests),
        left=3,
        decimals=2,
        notes=(
            "Differences in percentage points, paired by order; a method without an order, run once, is the same in "
            "every order. Wilcoxon signed-rank test, exact up to 50 orders, zero differences left out; paired "
            f"bootstrap of {RESAMPLES} resamples of the orders, seed 0, with its percentile interval. Two-sided; "
            f"Holm: corrected for the pairs of this table and metric. At least {ENOUGH_PAIRS} orders in common are "
            "needed; of few orders the bootstrap is too sure, so trust the rank test. Orders are the only chance in "
            "this: test images and checkpoints are the same.",
        ),
    )


def known_metrics(table: SuiteComparison, metrics: Sequence[Metric]) -> list[Metric]:
    """Those of the metrics that some run of the table has."""
    return [metric for metric in metrics if any(group.values(metric) for group in table.groups)]


def reference_accuracies(table: SuiteComparison) -> dict[str, float]:
    """Individual accuracies of the table's tasks; empty unless all are known and all runs that know them agree."""
    found = [individual_accuracy(run) for group in table.groups for run in group.runs]
    known = [accuracies for accuracies in found if all(task in accuracies for task in table.suite.tasks)]
    chosen = [{task: accuracies[task] for task in table.suite.tasks} for accuracies in known]
    return chosen[0] if chosen and all(other == chosen[0] for other in chosen) else {}


def _figure(group: Group, metric: Metric) -> Figure:
    summary = summarise(group.values(metric))
    return Figure(summary.mean, summary.std, metric.signed) if summary else Figure(None)


def _key_cells(group: Group, keys: Sequence[str]) -> list[Cell]:
    return [key_text(group.keys.get(key)) for key in keys]


def _reference_row(table: SuiteComparison, metrics: Sequence[Metric]) -> list[tuple[Cell, ...]]:
    accuracies = reference_accuracies(table)
    if not accuracies:
        return []
    values: Mapping[str, float] = {METRICS[0].name: sum(accuracies.values()) / len(accuracies), **accuracies}
    if not any(metric.name in values for metric in metrics):
        return []
    names: list[Cell] = [REFERENCE, *[""] * (len(table.keys) - 1)]
    return [(*names, "", *(Figure(values.get(metric.name)) for metric in metrics))]


def _test_row(test: PairedTest) -> tuple[Cell, ...]:
    return (
        test.first.label,
        test.second.label,
        test.metric.title,
        str(test.count),
        Figure(test.difference, signed=True),
        Figure(test.low, signed=True),
        Figure(test.high, signed=True),
        *map(p_text, (test.wilcoxon, test.wilcoxon_holm, test.bootstrap, test.bootstrap_holm)),
    )


def p_text(p: float | None) -> str:
    """A p-value to three decimals; empty for None."""
    if p is None:
        return ""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"
