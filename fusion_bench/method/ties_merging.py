"""TIES-Merging: trim every task vector, elect a sign per entry, merge what agrees.

Yadav et al., "TIES-Merging: Resolving Interference When Merging Models", NeurIPS 2023, arXiv 2306.01708.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor

from fusion_bench.functional.linear import add_to_base
from fusion_bench.functional.params import Params, task_vector
from fusion_bench.functional.sparsify import LoadTensor, keep_fraction
from fusion_bench.functional.ties import check_merge_func, ties_merger, widest_dtype, without
from fusion_bench.method.one_shot import OneShotAlgorithm
from fusion_bench.method.state import Base, MapTensors


@dataclass(kw_only=True)
class TiesMerging(OneShotAlgorithm):
    """θ = θ_0 + λ · TIES(τ_1 … τ_T).

    Args:
        scaling_factor: λ, the factor of the merged task vector.
        threshold: share of the largest entries kept, a fraction in (0, 1] or a percentage in (1, 100].
        remove_keys: names of tensors that stay as in the pretrained model.
        merge_func: how agreeing entries merge: ``sum``, ``mean`` or ``max``.
    """

    scaling_factor: float = 0.3
    threshold: float = 20
    remove_keys: Sequence[str] = field(default_factory=list)
    merge_func: str = "sum"

    def __post_init__(self) -> None:
        keep_fraction(self.threshold)
        check_merge_func(self.merge_func)

    def merge(self, models: Mapping[str, Params], base: Base, map_tensors: MapTensors) -> Mapping[str, Tensor]:
        """The base plus the scaled TIES of all task vectors, for every tensor that is not removed."""
        names = without(base.mergeable, self.remove_keys)
        ties = ties_merger(
            [_vectors(params, base.params) for params in models.values()],
            names,
            keep=keep_fraction(self.threshold),
            merge_func=self.merge_func,
            dtype=widest_dtype(base.params, names),
            map_tensors=map_tensors,
        )
        return map_tensors(lambda name: add_to_base(base.params[name], self.scaling_factor * ties(name)), names)


def _vectors(params: Params, base: Params) -> LoadTensor:
    return lambda name: task_vector(params, base, name)
