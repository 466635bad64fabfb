"""Score the merged model after each step and keep the accuracy matrix."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from fusion_bench.callbacks.checkpoint import model_name
from fusion_bench.callbacks.shared_scores import SharedScores
from fusion_bench.report import ContinualReport, EvalReport
from fusion_bench.runtime import AT_END, Callback, RunStart, Scorer, StepEvent
from fusion_bench.utils.files import read_json, write_json
from fusion_bench.utils.timing import Profile

if TYPE_CHECKING:
    from torch import nn

log = logging.getLogger(__name__)


def planned_tasks(plan: str, event: StepEvent, available: Sequence[str]) -> list[str]:
    """The tasks that ``plan`` evaluates after a step, in order of arrival; those without a model come last.

    Args:
        plan: ``seen``, ``diagonal``, ``diagonal_at_end``, ``all`` or ``none``. Every plan scores all tasks after the
            last step.
        event: the step.
        available: the tasks that can be scored.
    """
    arriving = [name for name in event.order if name in available]
    if event.is_last or plan == "all":
        return arriving + [name for name in available if name not in arriving]
    if plan in ("none", AT_END):
        return []
    wanted = event.seen if plan == "seen" else (event.name,)
    return [name for name in arriving if name in wanted]


@dataclass
class EvaluateTasks(Callback):
    """Evaluates the tasks of a plan after each step; writes ``report_{step}.json`` and ``continual_report.json``.

    Args:
        taskpool: scores models on named tasks.
        plan: which tasks to score after each step, see :func:`planned_tasks`.
        log_dir: where the reports go; None keeps them in memory.
        individual: accuracy, in 0..1, that each fine-tuned model has on its own task, where known.
        log_scalars: receives accuracies and metrics with the step.
        profile: where the time is counted.
        shared: what other orders of the same run have scored.
    """

    taskpool: Scorer
    plan: str = "seen"
    log_dir: Path | None = None
    individual: Mapping[str, float] = field(default_factory=dict)
    log_scalars: Callable[[Mapping[str, float], int], None] | None = None
    profile: Profile = field(default_factory=Profile)
    shared: SharedScores = field(default_factory=SharedScores)
    reports: dict[int, EvalReport] = field(default_factory=dict)
    continual: ContinualReport | None = None
    final: EvalReport | None = None

    def on_run_start(self, start: RunStart) -> None:
        """Check that tasks and models have names in common, and take over the reports of complete steps."""
        if self.plan == AT_END and self.log_dir is None:
            raise ValueError(f"evaluate={AT_END} scores saved models: it needs a log_dir")
        tasks = self.taskpool.task_names
        missing = [name for name in start.order if name not in tasks]
        if tasks and len(missing) == len(start.order) and self.plan != "none":
            raise ValueError(
                f"no model has a task of its name: the models are {list(start.order)}, the tasks {list(tasks)}. "
                "Set method.evaluate_on_every_step=false to score the final model only."
            )
        if tasks and missing and self.plan != "none":
            log.warning("no task is named %s; these models are merged but not scored", ", ".join(missing))
        for index in range(start.first_step):
            path = self._report_path(index)
            if path is not None and path.exists():
                self.reports[index] = EvalReport.from_dict(read_json(path))

    def on_step(self, event: StepEvent) -> None:
        """Score the merged model of this step as planned."""
        tasks = planned_tasks(self.plan, event, self.taskpool.task_names)
        if tasks or event.is_last:
            with self.profile("evaluating"):
                reports = self._scored(event, tasks)
            for index, report in reports.items():
                self._keep(index, report)
        if event.is_last:
            self._conclude(event)

    def _scored(self, event: StepEvent, tasks: Sequence[str]) -> dict[int, EvalReport]:
        """The report of this step, and at the end of a plan that has waited for it those of the steps before."""
        if self.plan != AT_END or self.log_dir is None or not tasks:
            return self._found_or_scored({event.index: lambda: event.model}, event.order, tasks)
        reports: dict[int, EvalReport] = {}
        for task in tasks:
            models: dict[int, Callable[[], nn.Module]] = {event.index: lambda: event.model}
            if task in event.order[:-1]:
                step = event.order.index(task)
                models[step] = partial(event.load_saved, self.log_dir / "checkpoints" / model_name(step))
            for step, report in self._found_or_scored(models, event.order, [task]).items():
                reports[step] = reports[step].merged_with(report) if step in reports else report
        return dict(sorted(reports.items()))

    def _found_or_scored(
        self, models: Mapping[int, Callable[[], nn.Module]], order: Sequence[str], tasks: Sequence[str]
    ) -> dict[int, EvalReport]:
        """The reports of the models of some steps, which are built, all at once, where nobody has scored them yet."""
        with self.shared.turn():
            found = {step: self.shared.find(order[: step + 1], tasks) for step in models}
            missing = {model_name(step): models[step]() for step, report in found.items() if report is None}
            if len(missing) == 1:
                ((name, model),) = missing.items()
                scored = {name: self.taskpool.evaluate(model, name=name, tasks=tasks)}
            else:
                scored = self.taskpool.evaluate_many(missing, tasks=tasks) if missing else {}
            return {
                step: self.shared.keep(order[: step + 1], tasks, scored[model_name(step)]) if report is None else report
                for step, report in found.items()
            }

    def _keep(self, index: int, report: EvalReport) -> None:
        self.reports[index] = report
        path = self._report_path(index)
        if path is not None and self.plan != "none":
            write_json(path, report.to_dict())
        if self.log_scalars and report.average is not None:
            scalars = {f"accuracy/{task}": score.accuracy for task, score in report.scores.items()}
            self.log_scalars({**scalars, "accuracy/average": report.average.accuracy}, index)

    def _conclude(self, event: StepEvent) -> None:
        self.final = self.reports[event.index]
        self.continual = ContinualReport.from_steps(
            event.order, self.taskpool.task_names, self.reports, self.individual
        )
        if self.log_dir is not None:
            write_json(self.log_dir / "continual_report.json", self.continual.to_dict())
        if self.log_scalars:
            self.log_scalars(self.continual.scalars(), event.index)

    def _report_path(self, index: int) -> Path | None:
        return None if self.log_dir is None else self.log_dir / f"report_{index}.json"
