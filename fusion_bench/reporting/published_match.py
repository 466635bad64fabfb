"""A user's results beside the published ones of the same backbone and suite."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from fusion_bench.reporting.comparison import Comparison, Group, SuiteComparison
from fusion_bench.reporting.comparison_sheets import REFERENCE, reference_accuracies
from fusion_bench.reporting.metrics import METRICS, Metric
from fusion_bench.reporting.published import PublishedResult, published_results
from fusion_bench.reporting.run import Run
from fusion_bench.reporting.sheets import Figure, Sheet
from fusion_bench.reporting.statistics import summarise
from fusion_bench.reporting.suite import PRETRAINED

TOLERANCE = 0.5  # percentage points; what rounding and unseeded orders account for
_METRICS: Mapping[str, Metric] = {
    published: metric
    for published, name in (("average accuracy", "acc"), ("backward transfer", "bwt"))
    for metric in METRICS
    if metric.name == name
}
_FINE_TUNED = "Fine-tuned"  # the mean accuracy of the individual models
_ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class PublishedDifference:
    """A published figure and, where there is one, the user's result that it stands for.

    Args:
        published: the figure.
        group: the user's runs; None where there are none, or for the individual models.
        mean: the user's mean, a share; None where there is none.
        std: its standard deviation over orders.
        other_options: what was set otherwise than for the figure, in words; empty where nothing was.
    """

    published: PublishedResult
    group: Group | None = None
    mean: float | None = None
    std: float | None = None
    other_options: str = ""

    @property
    def difference(self) -> float | None:
        """The user's mean minus the published one, as a share."""
        return None if self.mean is None else self.mean - self.published.mean / 100

    @property
    def verdict(self) -> str:
        """Whether the two agree; empty where the user has no such result."""
        if self.difference is None:
            return ""
        if self.other_options:
            return self.other_options
        within = abs(100 * self.difference) <= TOLERANCE + _ROUNDING
        return f"within {TOLERANCE}" if within else f"NOT within {TOLERANCE}"


def published_differences(comparison: Comparison) -> list[PublishedDifference]:
    """Every published figure of the comparison's suites and backbones, with the user's results where there are any."""
    return [difference for table in comparison.tables for difference in _of_table(table)]


def why_nothing_is_published(comparison: Comparison) -> str:
    """What published figures there are, and what the user has instead."""
    results = published_results()
    suites = ", ".join(dict.fromkeys(result.suite for result in results))
    backbones = ", ".join(dict.fromkeys(result.backbone for result in results))
    own = "; ".join(dict.fromkeys(table.title for table in comparison.tables))
    return (
        f"Nothing to compare with published results: there are some for {suites} with {backbones}, "
        f"each on all of its test data. These runs are on {own or 'no task'}."
    )


def published_sheet(differences: Sequence[PublishedDifference]) -> Sheet:
    """A row for each published figure: the user's, the published, the difference."""
    several = len(dict.fromkeys((item.published.suite, item.published.backbone) for item in differences)) > 1
    where = ("suite", "backbone") if several else ()
    return Sheet(
        name="published",
        title="Beside published results"
        if several or not differences
        else f"{differences[0].published.suite}, {differences[0].published.backbone}: beside published results",
        header=(*where, "published as", "metric", "group", "yours", "published", "difference", "verdict"),
        rows=tuple(
            (
                *((item.published.suite, item.published.backbone) if several else ()),
                item.published.method,
                _METRICS[item.published.metric].title,
                item.group.label if item.group is not None else REFERENCE if item.mean is not None else "",
                Figure(item.mean, item.std, _METRICS[item.published.metric].signed),
                Figure(
                    item.published.mean / 100,
                    item.published.std / 100 if item.published.std is not None else None,
                    _METRICS[item.published.metric].signed,
                ),
                Figure(item.difference, signed=True),
                item.verdict,
            )
            for item in differences
        ),
        left=len(where) + 3,
        decimals=1,
        notes=(
            f"In percent, differences in percentage points; the means must agree within {TOLERANCE}. The published "
            "runs had unseeded orders, so that no order is the same.",
            *dict.fromkeys(f"{item.published.setting}: {item.published.source}." for item in differences),
        ),
    )


def _of_table(table: SuiteComparison) -> Iterator[PublishedDifference]:
    for result in published_results():
        if (result.suite, result.backbone) != (table.suite.name, table.backbone.name):
            continue
        metric = _METRICS[result.metric]
        found = [group for group in table.groups if _is_of(group, result) and group.values(metric)]
        for group in found:
            summary = summarise(group.values(metric))
            assert summary is not None
            yield PublishedDifference(result, group, summary.mean, summary.std, _other_options(group, result))
        reference = reference_accuracies(table) if result.method == _FINE_TUNED else {}
        if reference:
            yield PublishedDifference(result, None, sum(reference.values()) / len(reference))
        elif not found:
            yield PublishedDifference(result)


def _is_of(group: Group, result: PublishedResult) -> bool:
    """Whether the runs are of the method of a figure; the dummy method is so only with the pretrained model itself."""
    run = group.runs[0]
    if run.method != result.run_method:
        return False
    return run.method != "dummy" or _scores_the_pretrained_model(run)


def _scores_the_pretrained_model(run: Run) -> bool:
    models = (run.config.get("modelpool") or {}).get("models") or {}
    source = models.get(PRETRAINED) if isinstance(models, Mapping) else None
    return isinstance(source, str) and source.rstrip("/").rpartition("/")[2] == run.backbone.name


def _other_options(group: Group, result: PublishedResult) -> str:
    settings = group.runs[0].settings
    other = [f"{key} {value}" for key, value in result.options.items() if settings.get(key, value) != value]
    return f"published with {', '.join(other)}" if other else ""
