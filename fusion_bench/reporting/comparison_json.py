"""A comparison as JSON: every number unrounded, every run with its directory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fusion_bench.reporting.comparison import Comparison, Group, SuiteComparison
from fusion_bench.reporting.metrics import Metric
from fusion_bench.reporting.published_match import PublishedDifference
from fusion_bench.reporting.run import Run
from fusion_bench.reporting.run_problems import Problem
from fusion_bench.reporting.significance import PairedTest
from fusion_bench.reporting.statistics import summarise


def comparison_json(
    comparison: Comparison,
    metrics: Mapping[SuiteComparison, Sequence[Metric]],
    tests: Mapping[SuiteComparison, Sequence[PairedTest]],
    published: Sequence[PublishedDifference],
    problems: Sequence[Problem],
    confidence: float,
) -> dict[str, Any]:
    """The JSON form of all that ``fusion_bench_report compare`` shows; accuracies are shares in 0..1."""
    return {
        "confidence": confidence,
        "tables": [
            {
                "suite": table.suite.name,
                "backbone": table.backbone.name,
                "tasks": list(table.suite.tasks),
                "keys": list(table.keys),
                "groups": [_group(group, metrics[table], confidence) for group in table.groups],
                "tests": [_test(test) for test in tests[table]],
                "notes": list(table.notes),
            }
            for table in comparison.tables
        ],
        "published": [_published(difference) for difference in published],
        "notes": list(comparison.notes),
        "left_out": [
            {"path": str(problem.path), "state": problem.state, "message": problem.message} for problem in problems
        ],
    }


def run_json(run: Run, metrics: Sequence[Metric]) -> dict[str, Any]:
    """A run with its metrics; null where one is not known."""
    return {
        "directory": str(run.directory),
        "method": run.method,
        "settings": run.settings,
        "suite": run.suite.name,
        "backbone": run.backbone.name,
        "order": list(run.order) if run.order is not None else None,
        "seed": run.seed,
        "metrics": {metric.name: metric.value(run) for metric in metrics},
        "seconds": run.seconds or None,
    }


def _group(group: Group, metrics: Sequence[Metric], confidence: float) -> dict[str, Any]:
    summaries: dict[str, Any] = {}
    for metric in metrics:
        summary = summarise(group.values(metric), confidence)
        summaries[metric.name] = vars(summary) if summary is not None else None
    return {
        "label": group.label,
        "keys": dict(group.keys),
        "metrics": summaries,
        "runs": [run_json(run, metrics) for run in group.runs],
    }


def _test(test: PairedTest) -> dict[str, Any]:
    return {
        "first": test.first.label,
        "second": test.second.label,
        "metric": test.metric.name,
        "orders": test.count,
        "difference": test.difference,
        "interval": [test.low, test.high] if test.low is not None else None,
        "wilcoxon_signed_rank": {"p": test.wilcoxon, "holm": test.wilcoxon_holm},
        "paired_bootstrap": {"p": test.bootstrap, "holm": test.bootstrap_holm},
        "reason": test.reason or None,
    }


def _published(difference: PublishedDifference) -> dict[str, Any]:
    published = difference.published
    return {
        "group": difference.group.label if difference.group is not None else None,
        "method": published.method,
        "backbone": published.backbone,
        "suite": published.suite,
        "setting": published.setting,
        "metric": published.metric,
        "published_mean": published.mean / 100,
        "published_std": published.std / 100 if published.std is not None else None,
        "mean": difference.mean,
        "difference": difference.difference,
        "verdict": difference.verdict,
        "source": published.source,
    }
