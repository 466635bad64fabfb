"""Which runs of a group are evidence of their own: one for each order, whatever was run twice."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from fusion_bench.reporting.run import Run

_Scores = tuple[tuple[str, float], ...]


def unique_replicates(runs: Sequence[Run]) -> tuple[list[Run], list[str]]:
    """One run for each order, or for each seed where there is no order, and sentences about the others.

    Of runs of one order the most complete is taken, the latest of equals. Runs without order and seed that give
    different results are all kept: they are draws of a random method.
    """
    found: dict[Hashable, list[Run]] = {}
    for run in runs:
        found.setdefault(_replicate(run), []).append(run)
    kept, repeats, complaints = [], 0, []
    for same in found.values():
        best = max(same, key=lambda run: (_measured(run), run.written))
        kept.append(best)
        if len({_scores(run) for run in same}) > 1:
            what = "order" if best.order is not None else f"seed {best.seed}"
            complaints.append(
                f"{len(same)} runs of one {what} disagree; {best.directory} is taken, not "
                f"{', '.join(str(run.directory) for run in same if run is not best)}."
            )
        else:
            repeats += len(same) - 1
    if repeats:
        verb = (
            "repeats an order or seed that is there already and is"
            if repeats == 1
            else ("repeat an order or seed that is there already and are")
        )
        complaints.insert(0, f"{repeats} run{'s' if repeats > 1 else ''} {verb} not counted twice.")
    return kept, complaints


def _replicate(run: Run) -> Hashable:
    if run.order is not None:
        return run.order
    return run.seed if run.seed is not None else _scores(run)


def _scores(run: Run) -> _Scores:
    return tuple(sorted((task, round(score.accuracy, 9)) for task, score in run.report.scores.items()))


def _measured(run: Run) -> int:
    """How many cells of the accuracy matrix are known."""
    return sum(value is not None for row in run.continual.accuracy for value in row) if run.continual else 0
