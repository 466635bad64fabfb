"""Task arithmetic: the pretrained model plus a multiple of the sum of the task vectors.

Ilharco et al., "Editing Models with Task Arithmetic", ICLR 2023, arXiv 2212.04089.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from torch import Tensor

from fusion_bench.functional.linear import linear_merge
from fusion_bench.functional.params import Params
from fusion_bench.method.one_shot import OneShotAlgorithm
from fusion_bench.method.state import Base, MapTensors


@dataclass(kw_only=True)
class TaskArithmetic(OneShotAlgorithm):
    """θ = θ_0 + λ Σ (θᵢ − θ_0).

    Args:
        scaling_factor: λ, the factor of every task vector.
    """

    scaling_factor: float = 0.3

    def merge(self, models: Mapping[str, Params], base: Base, map_tensors: MapTensors) -> Mapping[str, Tensor]:
        """The base plus the scaled task vectors, for every tensor."""
        weights = [self.scaling_factor] * len(models)
        return map_tensors(partial(linear_merge, list(models.values()), base.params, weights), base.mergeable)
