"""MuDSC: every option of the family: aligned or zipped, in the space of weights, of activations, or both.

Xu et al., "Training-Free Pretrained Model Merging" (MuDSC), CVPR 2024, arXiv 2403.01753.
"""

from __future__ import annotations

from dataclasses import dataclass

from fusion_bench.method.aligned import AlignedAlgorithm
from fusion_bench.method.mudsc.engine import Engine


@dataclass(kw_only=True)
class MuDSC(AlignedAlgorithm):
    """Every option of the family: aligned or zipped, in the space of weights, of activations, or both.

    Args:
        matcher: ``align`` one to one with the first model, ``zip`` greedily, or ``none``.
        alpha: weight of the weight space in [0, 1]; 1 needs no data, 0 compares activations alone.
        a: factor in (0, 1] on the similarities of merged units.
        b: share of the merges that may be within one model, in [0, 1].
        max_sweeps: at most so many sweeps over the groups.
    """

    matcher: str = "zip"
    alpha: float = 0.5
    a: float = 0.5
    b: float = 1.0
    max_sweeps: int = 100

    def engine(self) -> Engine:
        """How units are matched."""
        return Engine(
            matcher=self.matcher,
            alpha=self.alpha,
            a=self.a,
            b=self.b,
            max_sweeps=self.max_sweeps,
            seed=self.seed,
            faithful=self.faithful,
        )
