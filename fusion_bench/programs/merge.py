"""Merge a pool, score the result, write the files of the run: the core of the program, also for plain Python."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from fusion_bench.callbacks.evaluate import EvaluateTasks
from fusion_bench.callbacks.progress import ShowProgress
from fusion_bench.callbacks.shared_scores import SharedScores
from fusion_bench.callbacks.standard import standard_callbacks
from fusion_bench.compat import run_algorithm
from fusion_bench.method.continual import ContinualAlgorithm
from fusion_bench.modelpool.base_pool import BaseModelPool, as_modelpool
from fusion_bench.models.task_models import OwnModels
from fusion_bench.programs.inputs import check_inputs
from fusion_bench.report import ContinualReport, EvalReport
from fusion_bench.runtime import Callback, Runtime, Scorer
from fusion_bench.taskpool.base_pool import BaseTaskPool
from fusion_bench.utils.executors import Executor, ThreadExecutor
from fusion_bench.utils.timing import Profile

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunResult:
    """What a run gives: the merged model, its scores, the accuracy matrix of a continual method, and the times."""

    model: Any
    report: EvalReport | Mapping[str, Any] | None  # a mapping from task pools that are not ours
    continual: ContinualReport | None
    profile: Profile


def merge_and_evaluate(
    algorithm: Any,
    modelpool: Any,
    taskpool: Any = None,
    *,
    log_dir: str | Path | None = None,
    resume: bool = False,
    seed: int | None = None,
    individual: Mapping[str, float] | None = None,
    loggers: Sequence[Any] = (),
    executor: Executor | None = None,
    device: torch.device | str = "cpu",
    autocast: Callable[[], AbstractContextManager[object]] = nullcontext,
    fabric: Any = None,
    prefetch: str = "fusion_bench_prefetch modelpool=OPTION taskpool=OPTION",
) -> RunResult:
    """Merge the models of a pool and score the result.

    Args:
        algorithm: a method of this project, or any object with ``run(modelpool)``.
        modelpool: a pool, a dict of modules by name, or a list of modules.
        taskpool: scores the merged model; None scores nothing.
        log_dir: directory for checkpoints, reports and what ``resume`` needs; None writes no file.
        resume: go on with the interrupted run in ``log_dir``.
        seed: seed of the order of methods whose own seed is null.
        individual: accuracy, in 0..1, of each fine-tuned model on its own task, for normalised accuracy.
        loggers: Lightning loggers that receive the scalars.
        executor: what merges tensors: threads, unless another one is given.
        device: where tensors are merged.
        autocast: makes the context in which models are evaluated, for example ``fabric.autocast``.
        fabric: handed to algorithms that ask for one.
        prefetch: the command that downloads what this run needs, for the error that says what is missing.

    Raises:
        FileNotFoundError: naming every model, processor and data set that is missing, before anything is merged.
        ValueError: if the pools are of different backbones, or a model is not the one that the pool expects.
    """
    profile = Profile()
    pool = as_modelpool(modelpool)
    with profile("checking files"):
        fingerprints = check_inputs(algorithm, pool, taskpool, prefetch)
    job = MergeJob(
        pool=pool,
        taskpool=taskpool,
        seed=seed,
        individual=individual or {},
        executor=executor or ThreadExecutor(),
        device=torch.device(device),
        autocast=autocast,
        fabric=fabric,
        fingerprints=fingerprints,
    )
    return job.run(
        algorithm,
        log_dir=Path(log_dir) if log_dir is not None else None,
        resume=resume,
        loggers=loggers,
        profile=profile,
    )


@dataclass(frozen=True, kw_only=True)
class MergeJob:
    """What merging and scoring needs, checked and set up, whichever method, order and directory it is for."""

    pool: BaseModelPool
    taskpool: Any = None
    seed: int | None = None
    individual: Mapping[str, float] = field(default_factory=dict)
    executor: Executor = field(default_factory=ThreadExecutor)
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    autocast: Callable[[], AbstractContextManager[object]] = nullcontext
    fabric: Any = None
    fingerprints: Mapping[str, Any] = field(default_factory=dict)
    models_checked: bool = False

    def run(
        self,
        algorithm: Any,
        *,
        log_dir: Path | None,
        resume: bool = False,
        loggers: Sequence[Any] = (),
        profile: Profile | None = None,
        shared: SharedScores | None = None,
        progress: ShowProgress | None = None,
        further: Sequence[Callback] = (),
    ) -> RunResult:
        """Merge with ``algorithm`` and score the result; the arguments are those of :func:`merge_and_evaluate`.

        Args:
            algorithm: the method.
            log_dir: directory of this run.
            resume: go on with the interrupted run there.
            loggers: receive the scalars.
            profile: where the time is counted.
            shared: scores that other orders have found.
            progress: shows how far it has come.
            further: callbacks of a continual method besides the usual ones.
        """
        profile = profile or Profile()
        callbacks: list[Callback] = []
        if isinstance(algorithm, ContinualAlgorithm):
            callbacks = standard_callbacks(
                algorithm,
                taskpool=self.taskpool,
                log_dir=log_dir,
                loggers=loggers,
                individual=self.individual,
                profile=profile,
                shared=shared,
                progress=progress,
            )
        runtime = Runtime(
            device=self.device,
            executor=self.executor,
            callbacks=[*callbacks, *further],
            log_dir=log_dir,
            resume=resume,
            seed=self.seed,
            autocast=self.autocast,
            profile=profile,
            models_checked=self.models_checked,
            scorer=self.taskpool if isinstance(self.taskpool, BaseTaskPool) else None,
        )
        model = run_algorithm(algorithm, self.pool, runtime, fabric=self.fabric, taskpool=self.taskpool)
        evaluation = next((callback for callback in callbacks if isinstance(callback, EvaluateTasks)), None)
        report: Any = evaluation.final if evaluation else None
        if report is None and self.taskpool is not None:
            with profile("evaluating"):
                report = (
                    score_each(model, self.taskpool) if isinstance(model, OwnModels) else self.taskpool.evaluate(model)
                )
        if isinstance(report, EvalReport):
            report = replace(report, fingerprints=self.fingerprints)
        return RunResult(model, report, evaluation.continual if evaluation else None, profile)


def score_each(models: OwnModels, taskpool: Scorer) -> EvalReport:
    """The scores of each model on its own task, as one report.

    Raises:
        ValueError: if no model has a task of its name.
    """
    report: EvalReport | None = None
    for name in models.task_names:
        if name in taskpool.task_names:
            scored = taskpool.evaluate(models.load(name), tasks=[name])
            report = scored if report is None else report.merged_with(scored)
    if report is None:
        raise ValueError(
            f"no model has a task of its name: the models are {list(models.task_names)}, the tasks "
            f"{list(taskpool.task_names)}"
        )
    return report


def true_precision(fabric: Mapping[str, Any] | None) -> torch.dtype | None:
    """The dtype a ``precision`` such as ``bf16-true`` gives to weights; None where weights stay as they are."""
    names = {"bf16-true": torch.bfloat16, "16-true": torch.float16, "64-true": torch.float64, "64": torch.float64}
    return names.get(str((fabric or {}).get("precision")))
