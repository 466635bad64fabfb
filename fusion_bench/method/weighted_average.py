"""Weighted average of the models, with one weight a model."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from torch import Tensor

from fusion_bench.functional.linear import linear_merge, normalise
from fusion_bench.functional.params import Params
from fusion_bench.method.one_shot import OneShotAlgorithm
from fusion_bench.method.state import Base, MapTensors


@dataclass(kw_only=True)
class WeightedAverage(OneShotAlgorithm):
    """θ = Σ wᵢ θᵢ; needs no pretrained model.

    Args:
        weights: one number a model: a list in the order of the pool, or a mapping by name.
        normalize: divide the weights by their sum first.
    """

    weights: Sequence[float] | Mapping[str, float]
    normalize: bool = True

    @property
    def needs_pretrained(self) -> bool:
        """False: a mean needs no common origin."""
        return False

    def merge(self, models: Mapping[str, Params], base: Base, map_tensors: MapTensors) -> Mapping[str, Tensor]:
        """The weighted sum of every tensor."""
        weights = weights_in_order(self.weights, list(models))
        if self.normalize:
            weights = normalise(weights)
        merge = partial(linear_merge, list(models.values()), base.params, weights, base_factor=math.fsum(weights))
        return map_tensors(merge, base.mergeable)


def weights_in_order(weights: Sequence[float] | Mapping[str, float], names: Sequence[str]) -> list[float]:
    """One weight for each of ``names``.

    Raises:
        TypeError: if ``weights`` is neither a list nor a mapping.
        ValueError: if a model has no weight, a weight no model, or a weight is not a finite number.
    """
    if isinstance(weights, str) or not isinstance(weights, Sequence | Mapping):
        raise TypeError(f"weights must be a list or a mapping by model name, got {weights!r}")
    if isinstance(weights, Mapping):
        unknown = [name for name in weights if name not in names]
        missing = [name for name in names if name not in weights]
        if unknown or missing:
            raise ValueError(
                f"weights must name each model once: {list(names)}; unknown are {unknown}, without weight {missing}"
            )
        weights = [weights[name] for name in names]
    if len(weights) != len(names):
        raise ValueError(f"{len(weights)} weights were given for {len(names)} models: {list(names)}")
    for name, weight in zip(names, weights, strict=True):
        if not isinstance(weight, int | float) or not math.isfinite(weight):
            raise ValueError(f"the weight of {name!r} must be a finite number, got {weight!r}")
    return list(weights)
