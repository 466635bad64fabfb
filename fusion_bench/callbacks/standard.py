"""The callbacks a continual run gets from its settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from fusion_bench.callbacks.checkpoint import SaveCheckpoints
from fusion_bench.callbacks.evaluate import EvaluateTasks
from fusion_bench.callbacks.progress import ShowProgress
from fusion_bench.callbacks.scalars import LogScalars
from fusion_bench.callbacks.shared_scores import SharedScores
from fusion_bench.callbacks.trace import WriteTrace
from fusion_bench.runtime import Callback, Scorer
from fusion_bench.utils.timing import Profile


class ContinualSettings(Protocol):
    """What a continual method says about its run."""

    save_on_every_step: bool

    @property
    def evaluation_plan(self) -> str:
        """Which tasks are evaluated after each step."""
        ...


def standard_callbacks(
    settings: ContinualSettings,
    *,
    taskpool: Scorer | None = None,
    log_dir: Path | None = None,
    loggers: Sequence[Any] = (),
    individual: Mapping[str, float] | None = None,
    profile: Profile | None = None,
    shared: SharedScores | None = None,
    progress: ShowProgress | None = None,
) -> list[Callback]:
    """Trace, checkpoints, scalars, evaluation and progress, as far as the arguments call for them.

    Checkpoints are written before the evaluation, so that an evaluation that fails costs no model.
    """
    profile = profile or Profile()
    scalars = LogScalars(loggers)
    callbacks: list[Callback] = []
    if log_dir is not None:
        callbacks.append(WriteTrace(log_dir / "trace.json"))
        if settings.save_on_every_step:
            callbacks.append(SaveCheckpoints(log_dir / "checkpoints", profile))
    callbacks.append(scalars)
    if taskpool is not None:
        callbacks.append(
            EvaluateTasks(
                taskpool,
                plan=settings.evaluation_plan,
                log_dir=log_dir,
                individual=individual or {},
                log_scalars=scalars.write if loggers else None,
                profile=profile,
                shared=shared or SharedScores(),
            )
        )
    progress = progress or ShowProgress()
    profile.watched_by(progress.on_phase)
    return [*callbacks, progress]
