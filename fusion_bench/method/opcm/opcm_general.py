"""OPCM with its tensors spread over Ray actors, for any architecture; the mathematics is in ``opcm.py``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from fusion_bench.functional.params import Params
from fusion_bench.method.continual import ContinualAlgorithm
from fusion_bench.method.opcm.opcm import check_alpha, opcm_step, projection_cost
from fusion_bench.method.state import Base, MapTensors, MergeState
from fusion_bench.runtime import Runtime, StepEvent
from fusion_bench.utils.ray_executor import RayExecutor

if TYPE_CHECKING:
    from fusion_bench.modelpool.base_pool import BaseModelPool


@dataclass(kw_only=True)
class OPCM(ContinualAlgorithm):
    """Orthogonal projection of each new task vector against the models merged so far, optionally on Ray actors.

    Args:
        alpha: share of the singular values whose directions are protected, in [0, 1].
        zero_diagonal: also remove the diagonal of Uᵀ τ V, as the published code does and the paper's own does not.
        num_ray_actors: Ray actors that share the tensors; 0 takes the executor of the run. The result is the same.
        ray_address: ``host:port`` of a running Ray cluster, or ``auto``; None starts a Ray on this machine.

    Raises:
        ValueError: if ``alpha`` or ``num_ray_actors`` is out of range.
    """

    alpha: float = 0.5
    zero_diagonal: bool = True
    num_ray_actors: int = 0
    ray_address: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_alpha(self.alpha)
        if self.num_ray_actors < 0:
            raise ValueError(f"num_ray_actors must be 0 (no Ray) or more, got {self.num_ray_actors}")
        if self.ray_address is not None and self.num_ray_actors == 0:
            raise ValueError(f"ray_address={self.ray_address!r} needs num_ray_actors, which is 0 (no Ray)")

    def steps(
        self, modelpool: BaseModelPool | Mapping[str, Any] | Sequence[Any], runtime: Runtime | None = None
    ) -> Iterator[StepEvent]:
        """Yield an event after each model; Ray, where it is used, runs as long as the steps do."""
        if self.num_ray_actors == 0:
            yield from super().steps(modelpool, runtime)
            return
        executor = RayExecutor(self.num_ray_actors, self.ray_address)
        yield from super().steps(modelpool, replace(runtime or Runtime(), executor=executor))

    def tensor_cost(self, name: str, base: Base) -> float:
        """That of its projection."""
        return projection_cost(name, base)

    def merge_step(self, state: MergeState | None, incoming: Params, base: Base, map_tensors: MapTensors) -> MergeState:
        """Add the projected task vector of ``incoming``."""
        return opcm_step(
            state, incoming, base, alpha=self.alpha, zero_diagonal=self.zero_diagonal, map_tensors=map_tensors
        )
