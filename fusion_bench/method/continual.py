"""The one loop of all continual methods: order, loading, resume and events around a pure merge step."""

from __future__ import annotations

import logging
import math
import random
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from torch import Tensor

from fusion_bench.functional.params import LazyParams, Params, is_mergeable, on_device, work_dtype
from fusion_bench.method.base_algorithm import BaseAlgorithm
from fusion_bench.method.resume import ResumeFile, recorded_order
from fusion_bench.modelpool.base_pool import PRETRAINED, BaseModelPool, as_modelpool
from fusion_bench.runtime import RunStart, Runtime, StepEvent
from fusion_bench.utils.files import read_json
from fusion_bench.utils.memory import release_free_memory

if TYPE_CHECKING:
    from torch import nn

log = logging.getLogger(__name__)
T = TypeVar("T")

EVALUATION_PLANS = ("seen", "diagonal", "all", "none")


class MapTensors(Protocol):
    """Applies a function to every named tensor; results by name, in the order of ``names``."""

    def __call__(self, function: Callable[[str], T], names: Sequence[str]) -> dict[str, T]:
        """``{name: function(name)}``."""
        ...


@dataclass(frozen=True)
class Base:
    """What the models of a run have in common: the point task vectors are measured from, and the architecture."""

    params: Params
    linear_weights: frozenset[str]  # names of the weights of ``nn.Linear`` modules
    is_pretrained: bool = True  # False where the first model stands in for a missing pretrained one

    @property
    def mergeable(self) -> list[str]:
        """Names of the floating-point tensors, in the order of the model."""
        return [name for name, tensor in self.params.items() if is_mergeable(tensor)]


@dataclass(frozen=True, kw_only=True)
class MergeState:
    """All a continual method remembers: merged = base + accumulator / divisor. Its size does not grow with T."""

    accumulator: Mapping[str, Tensor]  # at least float32, one tensor per mergeable name
    divisor: float  # λ_t of OPCM, the number of models for an average, else 1
    count: int  # models folded in so far
    task_vector_norm: float  # L2 norm of the latest task vector over all tensors
    norm_sum: float  # sum of the task vector norms so far
    accumulator_norm: float
    split_ranks: Mapping[str, int] = field(default_factory=dict)  # protected directions per weight, if any

    def merged(self, base: Params) -> Params:
        """The merged parameters in the dtype of ``base``, each computed when asked for."""

        def tensor(name: str) -> Tensor:
            origin = base[name]
            if name not in self.accumulator:
                return origin.clone()
            offset = self.accumulator[name].to(origin.device) / self.divisor
            return offset.add_(origin.to(work_dtype(origin))).to(origin.dtype)

        return LazyParams(base, tensor)

    def metrics(self) -> dict[str, float]:
        """Norms and λ_t under the names they are logged by."""
        return {
            "model/task_vector_norm": self.task_vector_norm,
            "model/avg_task_vector_norm": self.norm_sum / self.count,
            "model/merged_task_vector_norm": self.accumulator_norm / self.divisor,
            "model/lambda_t": self.divisor,
            "empirical/lambda_t": math.sqrt(self.count),
        }


@dataclass(kw_only=True)
class ContinualAlgorithm(BaseAlgorithm):
    """Folds models into one as they arrive: state_t = merge_step(state_{t-1}, incoming, base).

    Args:
        shuffle_order: merge in a random order drawn with ``seed``, instead of the order of the pool.
        order: the order itself, as a list of names or the path of a ``model_names.json`` to replay.
        seed: seed of the order; null takes the seed of the run, or a fresh one.
        save_on_every_step: write ``checkpoints/merged_model_{step}`` and what ``resume`` needs after every step.
        evaluate_on_every_step: evaluate the tasks seen so far after every step.
        evaluate: an evaluation plan that overrides ``evaluate_on_every_step``: ``seen``, ``diagonal`` (the new task
            at each step, all at the last), ``all`` or ``none``.
    """

    shuffle_order: bool = True
    order: Sequence[str] | str | None = None
    seed: int | None = None
    save_on_every_step: bool = True
    evaluate_on_every_step: bool = True
    evaluate: str | None = None

    def __post_init__(self) -> None:
        if self.evaluate is not None and self.evaluate not in EVALUATION_PLANS:
            raise ValueError(f"evaluate must be null or one of {', '.join(EVALUATION_PLANS)}; got {self.evaluate!r}")

    @property
    def needs_pretrained(self) -> bool:
        """Whether the method is undefined without the pretrained model."""
        return True

    @property
    def evaluation_plan(self) -> str:
        """Which tasks are evaluated after each step: one of :data:`EVALUATION_PLANS`."""
        return self.evaluate or ("seen" if self.evaluate_on_every_step else "none")

    @abstractmethod
    def merge_step(self, state: MergeState | None, incoming: Params, base: Base, map_tensors: MapTensors) -> MergeState:
        """Fold ``incoming`` into ``state`` (None before the first model) and return the new state."""

    def run(
        self, modelpool: BaseModelPool | Mapping[str, Any] | Sequence[Any], runtime: Runtime | None = None
    ) -> nn.Module:
        """Merge all models of the pool in order and return the final model; the pool is not changed."""
        runtime = runtime or Runtime()
        merged: nn.Module | None = None
        with self.running():
            try:
                for event in self.steps(modelpool, runtime):
                    runtime.notify("on_step", event)
                    merged = event.model if event.is_last else None
                    del event  # frees its model before the next step needs the memory
            finally:
                runtime.notify("on_run_end")
        if merged is None:
            raise AssertionError("a run always reaches its last step")
        return merged

    def steps(
        self, modelpool: BaseModelPool | Mapping[str, Any] | Sequence[Any], runtime: Runtime | None = None
    ) -> Iterator[StepEvent]:
        """Yield an event after each model. A step counts as complete when the consumer asks for the next one."""
        runtime = runtime or Runtime()
        pool = as_modelpool(modelpool)
        order = self.resolve_order(pool.model_names, runtime)
        with runtime.profile("checking models"):
            pool.check(order, needs_pretrained=self.needs_pretrained)
        resume = self._open_resume_file(pool, order, runtime)
        with runtime.profile("loading"):
            base = load_base(pool, order, runtime)
        state, first_step = resume.load(runtime.device) if resume else (None, 0)
        runtime.notify("on_run_start", RunStart(order=order, first_step=first_step, log_dir=runtime.log_dir))

        def event(index: int, state: MergeState) -> StepEvent:
            return StepEvent(
                index=index,
                name=order[index],
                order=order,
                params=state.merged(base.params),
                metrics=state.metrics() if base.is_pretrained else {},
                split_ranks=state.split_ranks,
                build_model=pool.build_model,
                save_params=pool.save_params,
            )

        if state is not None and first_step == len(order):  # the interrupted run had only its end missing
            yield event(first_step - 1, state)
            return
        for index in range(first_step, len(order)):
            with runtime.profile("loading"):
                incoming = on_device(pool.load_params(order[index]), runtime.device)
            with runtime.profile("merging"):
                state = self.merge_step(state, incoming, base, tensor_mapper(runtime))
                release_free_memory()  # the state before, which lay between what is still in use
            log.info("merged %s (step %d of %d)", order[index], index + 1, len(order))
            yield event(index, state)
            release_free_memory()  # what the consumer built, evaluated or saved
            if resume and self.save_on_every_step:
                with runtime.profile("saving state"):
                    resume.save(state, index)

    def loaded_names(self, modelpool: BaseModelPool) -> list[str]:
        """The models of the order, and the one whose architecture they have to share.

        Raises:
            ValueError: as :meth:`resolve_order`.
        """
        if self.order is None:
            return modelpool.all_model_names
        order = explicit_order(self.order, modelpool.model_names)
        return list(dict.fromkeys([modelpool.pretrained_or_first_name, *order]))

    def resolve_order(self, model_names: Sequence[str], runtime: Runtime) -> tuple[str, ...]:
        """The order of arrival. Global random state is neither read nor changed.

        Raises:
            ValueError: if there is no model, or an explicit order does not name each model of the pool at most once.
        """
        if not model_names:
            raise ValueError(
                "the model pool has no models to merge (special names such as '_pretrained_' do not count)"
            )
        if self.order is not None:
            return explicit_order(self.order, model_names)
        if not self.shuffle_order:
            return tuple(model_names)
        seed = self.seed if self.seed is not None else runtime.seed
        if seed is None and runtime.resume and runtime.log_dir and (recorded := recorded_order(runtime.log_dir)):
            return explicit_order(recorded, model_names)
        shuffled = list(model_names)
        random.Random(seed).shuffle(shuffled)
        return tuple(shuffled)

    def _open_resume_file(self, pool: BaseModelPool, order: tuple[str, ...], runtime: Runtime) -> ResumeFile | None:
        if runtime.log_dir is None:
            return None
        skipped = ("shuffle_order", "order", "seed")  # the order itself is compared
        settings = {key: value for key, value in self.config_dict().items() if key not in skipped}
        with runtime.profile("fingerprints"):
            fingerprints = pool.fingerprints(order)
        return ResumeFile.open(
            runtime.log_dir,
            {
                "method": settings.pop("_target_"),
                "settings": settings,
                "order": list(order),
                "fingerprints": fingerprints,
            },
            resume=runtime.resume,
        )


def explicit_order(order: Sequence[str] | str, model_names: Sequence[str]) -> tuple[str, ...]:
    """The order a user gave, as names or as the path of a ``model_names.json``.

    Raises:
        ValueError: if a name is unknown or stands twice, or the file holds no list of names.
    """
    source = ""
    if isinstance(order, str):
        source = f" of {Path(order)}"
        order = read_json(order)
    names = [str(name) for name in order] if isinstance(order, Sequence) and not isinstance(order, str) else []
    if not names:
        raise ValueError(f"the order{source} must be a list of model names, got {order!r}")
    unknown = [name for name in names if name not in model_names]
    if unknown:
        raise ValueError(
            f"the order{source} names {unknown[0]!r}, which is not in the pool; it has {list(model_names)}"
        )
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise ValueError(f"the order{source} names {twice[0]!r} twice")
    return tuple(names)


def load_base(pool: BaseModelPool, order: Sequence[str], runtime: Runtime) -> Base:
    """The pretrained model's tensors, or the first model's where the pool has no pretrained one."""
    name = PRETRAINED if pool.has_pretrained else order[0]
    params = on_device(pool.load_params(name), runtime.device)
    return Base(params, frozenset(pool.linear_weight_names()), is_pretrained=pool.has_pretrained)


def tensor_mapper(runtime: Runtime) -> MapTensors:
    """The executor of ``runtime`` as a method sees it; progress goes to the callbacks."""

    def map_tensors(function: Callable[[str], T], names: Sequence[str]) -> dict[str, T]:
        return runtime.executor.map(
            function, names, tick=lambda done, total: runtime.notify("on_progress", done, total)
        )

    return map_tensors
