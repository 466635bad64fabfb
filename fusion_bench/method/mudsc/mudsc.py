"""MuDSC: every option of the family: aligned or zipped, in the space of weights, of activations, or both.

Xu et al., "Training-Free Pretrained Model Merging" (MuDSC), CVPR 2024, arXiv 2403.01753.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from fusion_bench.method.aligned import AlignedAlgorithm
from fusion_bench.method.mudsc.balance import GRID, Balance, balance_of, start_of
from fusion_bench.method.mudsc.engine import Engine


@dataclass(kw_only=True)
class MuDSC(AlignedAlgorithm):
    """Every option of the family: aligned or zipped, in the space of weights, of activations, or both.

    Args:
        matcher: ``align`` one to one with the first model, ``zip`` greedily, or ``none``.
        alpha: weight of the weight space in [0, 1]; 1 needs no data, 0 compares activations alone. ``auto`` takes the
            one of ``alphas`` that does best on ``alpha_data``.
        alphas: which ones ``auto`` tries.
        alpha_data: ``train`` prefers outputs near those of each model on its own training data, which takes no labels;
            a task pool, as an object or a ``_target_`` config, prefers a high joint accuracy, else a high mean. The
            curve goes to the log and to ``alpha_curve.json``.
        a: factor in (0, 1] on the similarities of merged units.
        b: share of the merges that may be within one model, in [0, 1].
        max_sweeps: at most so many sweeps over the groups.
    """

    matcher: str = "zip"
    alpha: float | str = 0.5
    alphas: Sequence[float] = field(default_factory=lambda: list(GRID))
    alpha_data: Any = None
    a: float = 0.5
    b: float = 1.0
    max_sweeps: int = 100

    def balance(self) -> Balance | None:
        """How ``auto`` chooses; None where ``alpha`` is a number."""
        return balance_of(self.alpha, self.alphas, self.alpha_data)

    def engine(self) -> Engine:
        """How units are matched."""
        return Engine(
            matcher=self.matcher,
            alpha=start_of(self.alpha),
            a=self.a,
            b=self.b,
            max_sweeps=self.max_sweeps,
            seed=self.seed,
            faithful=self.faithful,
        )
