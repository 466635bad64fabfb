"""Simple average: the mean of the models, tensor by tensor.

Wortsman et al., "Model soups", ICML 2022, arXiv 2203.05482.
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
class SimpleAverage(OneShotAlgorithm):
    """θ = 1/T Σ θᵢ; needs no pretrained model."""

    @property
    def needs_pretrained(self) -> bool:
        """False: a mean needs no common origin."""
        return False

    def merge(self, models: Mapping[str, Params], base: Base, map_tensors: MapTensors) -> Mapping[str, Tensor]:
        """The mean of every tensor."""
        weights = [1 / len(models)] * len(models)
        return map_tensors(partial(linear_merge, list(models.values()), base.params, weights), base.mergeable)
