"""What the consumers of a continual run get to see after each model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from fusion_bench.functional.params import Params
from fusion_bench.method.state import Base, MergeState
from fusion_bench.method.tensor_map import TensorMap
from fusion_bench.modelpool.base_pool import BaseModelPool
from fusion_bench.runtime import Runtime, StepEvent
from fusion_bench.utils.memory import returning_freed_memory

if TYPE_CHECKING:
    from torch import nn


def step_event(
    index: int,
    state: MergeState,
    *,
    pool: BaseModelPool,
    order: tuple[str, ...],
    base: Base,
    map_tensors: TensorMap,
    runtime: Runtime,
) -> StepEvent:
    """What the consumers of a step get to see; it stays as it is when the state is given up for the next."""
    state = state.snapshot()
    model = _MergedModel(pool, runtime)
    return StepEvent(
        index=index,
        name=order[index],
        order=order,
        params=state.merged(base.params, map_tensors.owner_of),
        metrics=state.metrics() if base.is_pretrained else {},
        split_ranks=state.split_ranks,
        build_model=model.build,
        save_params=model.save,
        load_saved=pool.load_saved,
        take_params=lambda: state.snapshot(taking=True).merged(base.params, map_tensors.owner_of),
    )


class _MergedModel:
    """Builds the merged model of a step from its checkpoint, if it has one: mapped, that costs no memory."""

    def __init__(self, pool: BaseModelPool, runtime: Runtime) -> None:
        self._pool, self._runtime = pool, runtime
        self._saved: Path | None = None

    def save(self, params: Params, path: Path) -> None:
        """Write the checkpoint."""
        self._pool.save_params(params, path, executor=self._runtime.executor)
        self._saved = path

    def build(self, params: Params) -> nn.Module:
        """The model that holds ``params``."""
        if self._saved is None or not self._saved.is_dir() or self._runtime.merging_device.type != "cpu":
            with returning_freed_memory():  # what the tensors are computed with
                return self._pool.build_model(params)
        return self._pool.load_saved(self._saved)
