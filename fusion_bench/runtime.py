"""What surrounds a run: device, executor, callbacks, log directory, and the events a method emits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import torch

from fusion_bench.utils.executors import Executor, ThreadExecutor
from fusion_bench.utils.timing import Profile

if TYPE_CHECKING:
    from torch import nn

    from fusion_bench.functional.params import Params
    from fusion_bench.report import EvalReport


AT_END = "diagonal_at_end"
EVALUATION_PLANS = ("seen", "diagonal", AT_END, "all", "none")  # which tasks are scored after each step


@dataclass(frozen=True, kw_only=True)
class RunStart:
    """What is known before the first model is merged."""

    order: tuple[str, ...]
    first_step: int = 0  # > 0 when an interrupted run is resumed
    log_dir: Path | None = None


@dataclass(frozen=True, kw_only=True)
class StepEvent:
    """The state of a continual run after one model has been merged."""

    index: int  # 0 for the first model
    name: str
    order: tuple[str, ...]
    params: Params  # the merged parameters, computed when asked for
    metrics: Mapping[str, float]  # norms and λ_t by their logged names
    split_ranks: Mapping[str, int]  # protected directions per weight; empty for methods without any
    build_model: Callable[[Params], nn.Module]
    save_params: Callable[[Params, Path], None]
    load_saved: Callable[[Path], nn.Module]  # what ``save_params`` wrote
    take_params: Callable[[], Params]  # ``params`` to be read once: each tensor goes when it has been asked for

    @property
    def seen(self) -> tuple[str, ...]:
        """Names of the models merged so far, in the order of their arrival."""
        return self.order[: self.index + 1]

    @property
    def is_last(self) -> bool:
        """Whether no model follows."""
        return self.index == len(self.order) - 1

    @cached_property
    def model(self) -> nn.Module:
        """The merged model, built on first use and shared by everyone who looks at this event."""
        return self.build_model(self.params)

    def model_maker(self) -> Callable[[], nn.Module]:
        """Makes the merged model, once; if this event is gone by then, tensors are freed as the model gets them."""
        if "model" in vars(self):
            model = self.model
            return lambda: model
        return partial(self.build_model, self.take_params())


class Callback:
    """Watches a run. Every hook does nothing unless overridden."""

    def on_run_start(self, start: RunStart) -> None:
        """Called once, before the first model is merged."""

    def on_progress(self, done: int, total: int) -> None:
        """Called while a step is computed, after each of its ``total`` tensors."""

    def on_step(self, event: StepEvent) -> None:
        """Called after each merged model."""

    def on_run_end(self) -> None:
        """Called once at the end, also when the run failed."""


class Scorer(Protocol):
    """Scores models on tasks by name, as every task pool of ours does."""

    @property
    def task_names(self) -> Sequence[str]:
        """The names of the tasks."""

    def evaluate(self, model: nn.Module, name: str | None = None, *, tasks: Sequence[str] | None = None) -> EvalReport:
        """The scores of a model, which is not changed, on ``tasks``; None is all of them."""

    def evaluate_many(
        self, models: Mapping[str, nn.Module], *, tasks: Sequence[str] | None = None
    ) -> dict[str, EvalReport]:
        """Scores of several models, in one pass over the data where the pool can do that."""


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """The surroundings of a run; the defaults are those of a plain Python call that leaves no files."""

    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    executor: Executor = field(default_factory=ThreadExecutor)
    callbacks: Sequence[Callback] = ()
    log_dir: Path | None = None
    resume: bool = False
    seed: int | None = None  # used by a method whose own ``seed`` is null
    autocast: Callable[[], AbstractContextManager[object]] = nullcontext
    profile: Profile = field(default_factory=Profile)
    models_checked: bool = False  # whether it is known that the models fit together
    scorer: Scorer | None = None  # for methods whose result is made of scores; None where nothing can be scored

    @property
    def merging_device(self) -> torch.device:
        """Where tensors are merged: processes of an executor of their own work on the CPU."""
        return torch.device("cpu") if self.executor.owners else self.device

    def notify(self, hook: str, *arguments: object) -> None:
        """Call the hook of that name on every callback, in order."""
        for callback in self.callbacks:
            getattr(callback, hook)(*arguments)
