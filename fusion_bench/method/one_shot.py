"""The shape of methods that merge all models at once."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import Tensor

from fusion_bench.functional.params import LazyParams, Params
from fusion_bench.method.arrival import load_base, load_shared
from fusion_bench.method.base_algorithm import BaseAlgorithm
from fusion_bench.method.state import Base, MapTensors
from fusion_bench.method.tensor_map import tensor_mapper
from fusion_bench.modelpool.base_pool import BaseModelPool, as_modelpool
from fusion_bench.runtime import RunStart, Runtime

if TYPE_CHECKING:
    from torch import nn


@dataclass(kw_only=True)
class OneShotAlgorithm(BaseAlgorithm):
    """Merges all models of a pool in one go, tensor by tensor."""

    @property
    def needs_pretrained(self) -> bool:
        """Whether the method is undefined without the pretrained model."""
        return True

    def tensor_cost(self, name: str, base: Base) -> float:
        """What merging one tensor costs, in any unit: its entries."""
        return float(base.params[name].numel())

    @abstractmethod
    def merge(self, models: Mapping[str, Params], base: Base, map_tensors: MapTensors) -> Mapping[str, Tensor]:
        """The merged tensors by name, in the dtype of ``base``; tensors that are left out stay as in ``base``.

        Args:
            models: the models to merge, to be read and never written to.
            base: the pretrained model, else the first one.
            map_tensors: runs a function over names.
        """

    def run(
        self, modelpool: BaseModelPool | Mapping[str, Any] | Sequence[Any], runtime: Runtime | None = None
    ) -> nn.Module:
        """Merge the models of the pool into a new one; the pool is not changed.

        Raises:
            ValueError: if the pool is empty, lacks a pretrained model that is needed, or its models do not fit.
        """
        runtime = runtime or Runtime()
        with self.running():
            try:
                return self._run(as_modelpool(modelpool), runtime)
            finally:
                runtime.notify("on_run_end")

    def _run(self, pool: BaseModelPool, runtime: Runtime) -> nn.Module:
        names = pool.model_names
        if not names:
            raise ValueError(f"the model pool has no models to merge; it has {pool.all_model_names}")
        with runtime.profile("checking models"):
            pool.check(names, needs_pretrained=self.needs_pretrained)
        with runtime.executor:
            with runtime.profile("loading"):
                base = load_base(pool, names, runtime)
                models = {name: load_shared(pool, name, runtime) for name in names}
            runtime.notify("on_run_start", RunStart(order=tuple(names), log_dir=runtime.log_dir))
            with runtime.profile("merging"):
                merged = self.merge(models, base, tensor_mapper(self, base, runtime))
        return pool.build_model(
            LazyParams(base.params, lambda name: merged[name] if name in merged else base.params[name])
        )
