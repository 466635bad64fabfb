"""No merging: hand out the pretrained model, so that one checkpoint can be scored like a merged one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fusion_bench.method.base_algorithm import BaseAlgorithm
from fusion_bench.modelpool.base_pool import BaseModelPool, as_modelpool
from fusion_bench.runtime import Runtime

if TYPE_CHECKING:
    from torch import nn


@dataclass(kw_only=True)
class Dummy(BaseAlgorithm):
    """Returns a copy of ``_pretrained_``, or of the first model where the pool has no pretrained one."""

    def loaded_names(self, modelpool: BaseModelPool) -> list[str]:
        """The pretrained or first model alone."""
        return [modelpool.pretrained_or_first_name]

    def run(
        self, modelpool: BaseModelPool | Mapping[str, Any] | Sequence[Any], runtime: Runtime | None = None
    ) -> nn.Module:
        """The pretrained or first model, as a fresh module.

        Raises:
            ValueError: if the pool is empty, or the model holds NaN or Inf.
        """
        runtime = runtime or Runtime()
        pool = as_modelpool(modelpool)
        with self.running(), runtime.profile("loading"):
            pool.check([])
            return pool.load_pretrained_or_first_model()
