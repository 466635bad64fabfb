"""MuDSC-Zip: units merged greedily, across models and within one, by weights and activations together.

Xu et al., "Training-Free Pretrained Model Merging" (MuDSC), CVPR 2024, arXiv 2403.01753. Stoica et al., "ZipIt!
Merging Models from Different Tasks without Training", ICLR 2024, arXiv 2305.03053.
"""

from __future__ import annotations

from dataclasses import dataclass

from fusion_bench.method.aligned import AlignedAlgorithm
from fusion_bench.method.mudsc.engine import Engine


@dataclass(kw_only=True)
class MuDSCZip(AlignedAlgorithm):
    """Units merged greedily, across models and within one, by weights and activations together.

    Args:
        alpha: weight of the weight space in [0, 1]; 1 needs no data, 0 compares activations alone.
        a: factor in (0, 1] on the similarities of merged units.
        b: share of the merges that may be within one model, in [0, 1].
        max_sweeps: at most so many sweeps over the groups.
    """

    alpha: float = 0.5
    a: float = 0.5
    b: float = 1.0
    max_sweeps: int = 100

    def engine(self) -> Engine:
        """How units are matched."""
        return Engine(
            matcher="zip",
            alpha=self.alpha,
            a=self.a,
            b=self.b,
            max_sweeps=self.max_sweeps,
            seed=self.seed,
            faithful=self.faithful,
        )
