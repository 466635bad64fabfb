"""What the analyses of two models have in common: which models, which tasks, and their scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import nn

from fusion_bench.method.base_algorithm import BaseAlgorithm
from fusion_bench.modelpool.base_pool import BaseModelPool
from fusion_bench.report import EvalReport
from fusion_bench.runtime import Runtime, Scorer
from fusion_bench.utils.configurable import build


@dataclass(frozen=True)
class Judge:
    """Scores models on some tasks."""

    scorer: Scorer
    tasks: tuple[str, ...]

    @classmethod
    def of(cls, runtime: Runtime, names: Sequence[str], tasks: Sequence[str] | None) -> Judge:
        """The judge of two models.

        Args:
            runtime: has the scorer.
            names: of the models.
            tasks: the tasks; None takes those that are named like the models, or all if none is.

        Raises:
            ValueError: if there is no scorer, or it has no task.
        """
        if runtime.scorer is None:
            raise ValueError(
                "this analysis takes a task pool that scores models: choose taskpool=OPTION, or from Python "
                "run(modelpool, Runtime(scorer=taskpool))"
            )
        known = runtime.scorer.task_names
        chosen = list(tasks) if tasks is not None else [name for name in names if name in known] or list(known)
        if not chosen:
            raise ValueError("this analysis takes a task pool with tasks; the one that was chosen has none")
        return cls(runtime.scorer, tuple(chosen))

    def __call__(self, model: nn.Module) -> EvalReport:
        """The scores of a model."""
        return self.scorer.evaluate(model, tasks=self.tasks)


def pair_names(names: Sequence[str] | None, modelpool: BaseModelPool) -> list[str]:
    """The names of the two models: those that were chosen, else the first two of the pool.

    Raises:
        ValueError: if these are not two.
        KeyError: if the pool has no such model.
    """
    chosen = list(modelpool.model_names[:2] if names is None else names)
    for name in chosen:
        modelpool.get_model_config(name)
    if len(set(chosen)) != 2 or len(chosen) != 2:
        raise ValueError(f"this analysis takes two models, got {chosen}; the pool has {modelpool.model_names}")
    return chosen


def pair_of(names: Sequence[str] | None, modelpool: BaseModelPool) -> BaseModelPool:
    """The pool with the two models and the pretrained one, if there is one; raises as :func:`pair_names`."""
    return modelpool.select(pair_names(names, modelpool))


def trained_by(method: Any, pair: BaseModelPool) -> list[str]:
    """The models of which ``method``, a live one or its configuration, reads training data."""
    found = built(method)
    return found.trained_names(pair) if isinstance(found, BaseAlgorithm) else []


def quiet(runtime: Runtime) -> Runtime:
    """The surroundings of a method that is run inside another: the same, but nobody watches and nothing is written."""
    return replace(runtime, callbacks=(), log_dir=None, resume=False, scorer=None)


def built(method: Any) -> Any:
    """A method, from its configuration if that is what was given."""
    return build(method) if isinstance(method, Mapping) else method
