"""Activation alignment: units matched one to one with the first model by their activations, in one shot.

Li et al., "Convergent Learning: Do different neural networks learn the same representations?", ICLR 2016, arXiv
1511.07543.
"""

from __future__ import annotations

from dataclasses import dataclass

from fusion_bench.method.aligned import AlignedAlgorithm
from fusion_bench.method.mudsc.engine import Engine


@dataclass(kw_only=True)
class ActivationAlign(AlignedAlgorithm):
    """Units matched one to one with the first model by their activations, in one shot."""

    def engine(self) -> Engine:
        """How units are matched."""
        return Engine(matcher="align", alpha=0.0, seed=self.seed, faithful=self.faithful)
