"""Runs side by side: grouped by keys, each group over its orders, and never what cannot be compared in one table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fusion_bench.reporting.grouping import check_keys, differing_keys, identity, key_text, key_value
from fusion_bench.reporting.metrics import Metric
from fusion_bench.reporting.replicates import unique_replicates
from fusion_bench.reporting.run import Run
from fusion_bench.reporting.suite import Backbone, Suite


@dataclass(frozen=True, eq=False)
class Group:
    """Runs that differ in nothing but their order or seed.

    Args:
        keys: what they have in common, by the keys of the table.
        runs: one for each order, or for each seed where there are no orders.
        models: the digest of the models that they merge, as in their suite.
    """

    keys: Mapping[str, Any]
    runs: tuple[Run, ...]
    models: str | None = None

    @property
    def label(self) -> str:
        """Short text for the group: the method, then what else tells it apart, as ``opcm/opcm, alpha 0.5``."""
        return ", ".join(
            text if key == "method" else f"{key} {text}"
            for key, text in ((key, key_text(value)) for key, value in self.keys.items())
            if text
        )

    def values(self, metric: Metric) -> list[float]:
        """The metric of each run that has it."""
        return [value for value in map(metric.value, self.runs) if value is not None]

    def by_order(self, metric: Metric) -> dict[tuple[str, ...], float]:
        """The metric by order, of the runs that have both."""
        found = ((run.order, metric.value(run)) for run in self.runs)
        return {order: value for order, value in found if order is not None and value is not None}


@dataclass(frozen=True, eq=False)
class SuiteComparison:
    """The groups that were scored on the same data with the same backbone.

    Args:
        suite: what was scored; ``suite.models`` is that of the first run.
        backbone: the pretrained model.
        keys: the columns that tell the groups apart.
        groups: in the order in which they were found.
        notes: what a reader of the table must know, a sentence each.
    """

    suite: Suite
    backbone: Backbone
    keys: tuple[str, ...]
    groups: tuple[Group, ...]
    notes: tuple[str, ...]

    @property
    def title(self) -> str:
        """Suite and backbone in words."""
        return f"{self.suite.name}, {self.backbone.name}" if self.backbone.name else self.suite.name


@dataclass(frozen=True, eq=False)
class Comparison:
    """One table for each suite and backbone, and notes about all of them."""

    tables: tuple[SuiteComparison, ...]
    notes: tuple[str, ...]


def compare_runs(runs: Sequence[Run], by: Sequence[str] = ("method",)) -> Comparison:
    """Group runs by keys; what would be mixed up is told apart, and a note says so.

    Runs on different data or backbones go to different tables. Within a table, runs that ``by`` does not tell apart
    but which differ in an option, in precision or in the models merged, are groups of their own.

    Args:
        runs: finished runs.
        by: see :func:`fusion_bench.reporting.grouping.key_value`.

    Raises:
        ValueError: if there are no runs, or a key that none of them has.
    """
    if not runs:
        raise ValueError("there is no finished run to compare")
    by = list(dict.fromkeys(by)) or ["method"]
    check_keys(runs, by)
    notes: list[str] = []
    scored = [run for run in runs if run.report.scores]
    if len(scored) < len(runs):
        missing = len(runs) - len(scored)
        notes.append("1 run scored no task." if missing == 1 else f"{missing} runs scored no task.")
    places: dict[tuple[str, str], list[Run]] = {}
    for run in scored:
        places.setdefault((run.suite.data, run.backbone.model), []).append(run)
    tables = tuple(_compare_suite(found, by) for found in places.values())
    return Comparison(tables, (*notes, *_notes_on_tables(tables)))


def _compare_suite(runs: Sequence[Run], by: Sequence[str]) -> SuiteComparison:
    """The table of runs that were scored on the same data."""
    notes: list[str] = []
    further = differing_keys(runs, by)
    if further:
        notes.append(
            f"Told apart by {', '.join(further)} too, because runs that differ in that are not averaged together."
        )
    keys = [*by, *further]
    grouped: dict[tuple[Any, ...], list[Run]] = {}
    for run in runs:
        grouped.setdefault((*identity(run, keys), run.suite.models), []).append(run)
    several = len(dict.fromkeys(run.suite.models for run in runs if run.suite.models is not None)) > 1
    if several:
        notes.append("The runs merge different sets of models; those of one set are groups of their own.")
    groups = []
    for members in grouped.values():
        values = {key: key_value(members[0], key) for key in keys}
        if several and members[0].suite.models is not None:
            values["models"] = members[0].suite.models[:8]
        kept, complaints = unique_replicates(members)
        group = Group(values, tuple(kept), members[0].suite.models)
        notes += [f"{group.label}: {complaint}" for complaint in complaints]
        groups.append(group)
    columns = (*keys, "models") if several else tuple(keys)
    return SuiteComparison(runs[0].suite, runs[0].backbone, columns, tuple(groups), tuple(notes))


def _notes_on_tables(tables: Sequence[SuiteComparison]) -> Iterable[str]:
    if len(tables) > 1:
        yield (
            "Runs on different suites or backbones are not averaged together: "
            f"there is a table for each of {'; '.join(table.title for table in tables)}."
        )
    titles = [table.title for table in tables]
    for title in dict.fromkeys(titles):
        if titles.count(title) > 1:
            yield (
                f"The {titles.count(title)} tables named {title} differ in the files of their data or of the "
                "pretrained model, or in splits, classes or corruption."
            )
