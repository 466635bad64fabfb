"""Average without alignment: the mean of the models as they are, with statistics corrected, to compare the others with.

Wortsman et al., "Model soups", ICML 2022, arXiv 2203.05482.
"""

from __future__ import annotations

from dataclasses import dataclass

from fusion_bench.method.aligned import AlignedAlgorithm
from fusion_bench.method.mudsc.engine import Engine


@dataclass(kw_only=True)
class PlainAverage(AlignedAlgorithm):
    """The mean of the models as they are, with statistics corrected, to compare the others with."""

    def engine(self) -> Engine:
        """How units are matched."""
        return Engine(matcher="none", seed=self.seed, faithful=self.faithful)
