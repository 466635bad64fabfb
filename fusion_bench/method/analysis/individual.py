"""No merging: every model scores on its own task, which is what a merged model is measured against."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fusion_bench.method.base_algorithm import BaseAlgorithm
from fusion_bench.modelpool.base_pool import BaseModelPool, as_modelpool
from fusion_bench.models.task_models import OwnModels
from fusion_bench.runtime import Runtime


@dataclass(kw_only=True)
class IndividualModels(BaseAlgorithm):
    """Hands out each model for the task of its name; the report of the run holds the individual accuracies.

    Args:
        models: names of models; null is all of the pool.
    """

    models: Sequence[str] | None = None

    def loaded_names(self, modelpool: BaseModelPool) -> list[str]:
        """The models that are scored, and the one whose architecture they share."""
        return modelpool.select(self._names(modelpool)).all_model_names

    def run(
        self, modelpool: BaseModelPool | Mapping[str, Any] | Sequence[Any], runtime: Runtime | None = None
    ) -> OwnModels:
        """The models by task, each loaded when it is asked for.

        Raises:
            ValueError: if the models do not fit together or one holds NaN or Inf.
            KeyError: if the pool has no model of a name.
        """
        runtime, pool = runtime or Runtime(), as_modelpool(modelpool)
        with self.running(), runtime.profile("checking models"):
            names = self._names(pool)
            pool.check(names)
            return OwnModels(tuple(names), pool.load_model)

    def _names(self, pool: BaseModelPool) -> list[str]:
        return pool.model_names if self.models is None else [str(name) for name in self.models]
