"""MuDSC-Align: units matched one to one with the first model, by weights and activations together.

Xu et al., "Training-Free Pretrained Model Merging" (MuDSC), CVPR 2024, arXiv 2403.01753.
"""

from __future__ import annotations

from dataclasses import dataclass

from fusion_bench.method.aligned import AlignedAlgorithm
from fusion_bench.method.mudsc.engine import Engine


@dataclass(kw_only=True)
class MuDSCAlign(AlignedAlgorithm):
    """Units matched one to one with the first model, by weights and activations together.

    Args:
        alpha: weight of the weight space in [0, 1]; 1 needs no data, 0 compares activations alone.
        max_sweeps: at most so many sweeps over the groups.
    """

    alpha: float = 0.5
    max_sweeps: int = 100

    def engine(self) -> Engine:
        """How units are matched."""
        return Engine(
            matcher="align", alpha=self.alpha, max_sweeps=self.max_sweeps, seed=self.seed, faithful=self.faithful
        )
