"""Weight alignment: units matched one to one with the first model by their weights, in the style of Git Re-Basin.

Ainsworth, Hayase & Srinivasa, "Git Re-Basin: Merging Models modulo Permutation Symmetries", ICLR 2023, arXiv
2209.04836.
"""

from __future__ import annotations

from dataclasses import dataclass

from fusion_bench.method.aligned import AlignedAlgorithm
from fusion_bench.method.mudsc.engine import Engine


@dataclass(kw_only=True)
class WeightAlign(AlignedAlgorithm):
    """Units matched one to one with the first model by their weights, in the style of Git Re-Basin.

    Args:
        max_sweeps: at most so many sweeps over the groups.
    """

    max_sweeps: int = 100

    def engine(self) -> Engine:
        """How units are matched."""
        return Engine(matcher="align", alpha=1.0, max_sweeps=self.max_sweeps, seed=self.seed, faithful=self.faithful)
