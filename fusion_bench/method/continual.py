"""The one loop of all continual methods: order, loading, resume and events around a pure merge step."""

from __future__ import annotations

import logging
import random
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fusion_bench.functional.params import Params, on_device
from fusion_bench.method.arrival import arriving, explicit_order, load_base
from fusion_bench.method.base_algorithm import BaseAlgorithm
from fusion_bench.method.resume import ResumeFile, recorded_order
from fusion_bench.method.state import Base, MapTensors, MergeState
from fusion_bench.method.state_files import StateFiles
from fusion_bench.method.step_events import step_event
from fusion_bench.method.tensor_map import tensor_mapper
from fusion_bench.modelpool.base_pool import BaseModelPool, as_modelpool
from fusion_bench.runtime import AT_END, EVALUATION_PLANS, RunStart, Runtime, StepEvent
from fusion_bench.utils.memory import release_free_memory

if TYPE_CHECKING:
    from torch import nn

log = logging.getLogger(__name__)

# By what an interrupted run may differ from the one that goes on: the order itself is compared, and where and by whom
# tensors are computed makes no difference.
_NOT_COMPARED = ("shuffle_order", "order", "seed", "offload_dir", "num_ray_actors", "ray_address")


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
            at each step, all at the last), ``diagonal_at_end`` (the same scores after the last step, so that the images
            of a task are prepared once for both of its models), ``all`` or ``none``.
        offload_dir: directory in which the accumulator is kept, memory-mapped, instead of in memory.
    """

    shuffle_order: bool = True
    order: Sequence[str] | str | None = None
    seed: int | None = None
    save_on_every_step: bool = True
    evaluate_on_every_step: bool = True
    evaluate: str | None = None
    offload_dir: str | None = None

    def __post_init__(self) -> None:
        if self.evaluate is not None and self.evaluate not in EVALUATION_PLANS:
            raise ValueError(f"evaluate must be null or one of {', '.join(EVALUATION_PLANS)}; got {self.evaluate!r}")
        if self.evaluate == AT_END and not self.save_on_every_step:
            raise ValueError(f"evaluate={AT_END} scores saved models: it needs save_on_every_step=true")

    @property
    def needs_pretrained(self) -> bool:
        """Whether the method is undefined without the pretrained model."""
        return True

    @property
    def order_free(self) -> bool:
        """Whether the merged model, but for rounding, does not depend on the order in which its models arrived."""
        return False

    @property
    def evaluation_plan(self) -> str:
        """Which tasks are evaluated after each step: one of :data:`fusion_bench.runtime.EVALUATION_PLANS`."""
        return self.evaluate or ("seen" if self.evaluate_on_every_step else "none")

    def tensor_cost(self, name: str, base: Base) -> float:
        """What a step costs for one tensor, in any unit: its entries, unless a method says otherwise."""
        return float(base.params[name].numel())

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
                    make_model = event.model_maker() if event.is_last else None
                    del event  # frees its model before the next step needs the memory
                    merged = make_model() if make_model else None
                    del make_model
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
        if not runtime.models_checked:
            with runtime.profile("checking models"):
                pool.check(order, needs_pretrained=self.needs_pretrained)
        resume = self._open_resume_file(pool, order, runtime)
        with ExitStack() as stack:
            stack.enter_context(runtime.executor)
            with runtime.profile("loading"):
                base = load_base(pool, order, runtime)
            saves = resume is not None and self.save_on_every_step
            store = self._open_store(base, runtime, saves=saves)
            map_tensors = tensor_mapper(self, base, runtime, stack.enter_context(store) if store else None)
            state, first_step = resume.load(runtime, in_files=map_tensors.in_files) if resume else (None, 0)
            state = map_tensors.start(state) if state else None
            runtime.notify("on_run_start", RunStart(order=order, first_step=first_step, log_dir=runtime.log_dir))
            event = partial(step_event, pool=pool, order=order, base=base, map_tensors=map_tensors, runtime=runtime)
            if state is not None and first_step == len(order):  # the interrupted run had only its end missing
                yield event(first_step - 1, state)
                return
            for index, incoming, map_tensors.following in arriving(pool, order, first_step, runtime):
                with runtime.profile("merging"):
                    state = map_tensors.keep(self.merge_step(_at_hand(state, runtime), incoming, base, map_tensors))
                    del incoming
                    release_free_memory()  # the state before, which lay between what is still in use
                log.info("merged %s (step %d of %d)", order[index], index + 1, len(order))
                ready = [event(index, state)]
                if index + 1 == len(order) and not saves:
                    map_tensors.forget()
                    state = None  # the event alone has its tensors now
                yield ready.pop()
                release_free_memory()  # what the consumer built, evaluated or saved
                if resume and state and saves:
                    with runtime.profile("saving state"):
                        resume.save(state, index, map_tensors.kept.paths)

    def _open_store(self, base: Base, runtime: Runtime, *, saves: bool) -> StateFiles | None:
        """Files for the state, if it is to be kept on disk, belongs to several processes or is saved at every step."""
        in_files = self.offload_dir is not None or runtime.executor.owners > 0
        if not in_files and not saves:
            return None
        beside = runtime.log_dir / "resume" if runtime.log_dir else None
        parent = Path(self.offload_dir) if self.offload_dir else beside
        return StateFiles(parent, like=base.params, copies=not in_files)

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
        settings = {key: value for key, value in self.config_dict().items() if key not in _NOT_COMPARED}
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


def _at_hand(state: MergeState | None, runtime: Runtime) -> MergeState | None:
    """The state as a step takes it: on the device where the step is computed."""
    return state and replace(state, accumulator=on_device(state.accumulator, runtime.merging_device))
