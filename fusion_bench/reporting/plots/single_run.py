"""The figures of one run: what a group of runs has no mean of."""

from __future__ import annotations

from collections.abc import Iterator

from fusion_bench.reporting.plots.accuracy import accuracy_matrix, task_accuracy_over_steps
from fusion_bench.reporting.plots.plot import Plot
from fusion_bench.reporting.plots.series import traced, traced_ranks
from fusion_bench.reporting.plots.trace import split_ranks, task_vector_norms
from fusion_bench.reporting.run import Run


def run_plots(run: Run, stem: str, group: str) -> Iterator[Plot]:
    """What there are numbers for: accuracies by step and task, norms of task vectors, split ranks.

    Args:
        run: a run that merges one model after the other; others have no such figures.
        stem: begins the names of the files.
        group: the label of its group.
    """
    place = f"One order of {group}, the run in {run.directory.name}."
    yield from _accuracies(run, stem, group, place)
    yield from _norms(run, stem, group, place)
    ranks = traced_ranks(run)
    if ranks:
        yield Plot(
            name=f"{stem}_split_ranks",
            title=f"Split ranks, {group}",
            caption=f"How many leading singular directions are protected; blank where nothing is projected. {place}",
            figure=split_ranks(ranks),
            group=group,
        )


def _accuracies(run: Run, stem: str, group: str, place: str) -> Iterator[Plot]:
    report = run.continual
    if report is None or not any(value is not None for row in report.accuracy[:-1] for value in row):
        return
    yield Plot(
        name=f"{stem}_accuracy_matrix",
        title=f"Accuracy matrix, {group}",
        caption=f"Accuracy after each step; blank where it was not measured, framed where the task was merged. {place}",
        figure=accuracy_matrix(report.accuracy, report.order, report.tasks),
        group=group,
    )
    yield Plot(
        name=f"{stem}_task_accuracy",
        title=f"Each task over the steps, {group}",
        caption=f"From the step that merged the task, marked; the other tasks in grey. {place}",
        figure=task_accuracy_over_steps(report.accuracy, report.order, report.tasks),
        group=group,
    )


def _norms(run: Run, stem: str, group: str, place: str) -> Iterator[Plot]:
    kinds = ("task_vector_norm", "avg_task_vector_norm", "merged_task_vector_norm")
    own, mean, merged = (traced(run, f"model/{kind}") for kind in kinds)
    if own:
        yield Plot(
            name=f"{stem}_task_vector_norms",
            title=f"Task-vector norms, {group}",
            caption=f"In the order of arrival. {place}",
            figure=task_vector_norms(
                [str(row.get("name", "")) for row in run.trace or ()], own, mean or None, merged or None
            ),
            group=group,
        )
