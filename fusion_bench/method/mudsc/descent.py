"""Matchings of all groups by coordinate descent: one group after the other, given the matchings of the rest.

Xu et al., "Training-Free Pretrained Model Merging" (MuDSC), CVPR 2024, arXiv 2403.01753; weight
matching in the style of Ainsworth et al., "Git Re-Basin", ICLR 2023, arXiv 2209.04836.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from fusion_bench.functional.permutation import Matching
from fusion_bench.functional.similarity import dual
from fusion_bench.method.mudsc.matching import Match, WeightSimilarity

log = logging.getLogger(__name__)


@dataclass
class Found:
    """Matchings, and how they were found.

    Args:
        matchings: by group.
        values: the mean similarity of matched units by group, when it was matched last.
        sweeps: for each sweep the groups in the order of their visits, with their values.
    """

    matchings: dict[str, Matching] = field(default_factory=dict)
    values: dict[str, float] = field(default_factory=dict)
    sweeps: list[list[tuple[str, float]]] = field(default_factory=list)


class Descent:
    """Visits groups and matches them by their similarity in one or both spaces.

    Args:
        visits: groups that are matched together, such as the two of attention heads.
        blocks: the number of blocks of each visit.
        match: from similarities to matchings.
        weights: similarity of weights; None compares activations alone, in one shot.
        activations: similarity of activations by group; None compares weights alone.
        alpha: weight of the weight space where both are compared, in [0, 1].
    """

    def __init__(
        self,
        visits: Sequence[tuple[str, ...]],
        blocks: Sequence[int],
        match: Match,
        weights: WeightSimilarity | None,
        activations: Mapping[str, Tensor] | None,
        alpha: float,
    ) -> None:
        self._visits, self._blocks, self._match = visits, blocks, match
        self._weights, self._activations, self._alpha = weights, activations, alpha
        self._memory: dict[int, tuple[list[Matching | None], list[Matching], list[float]]] = {}

    def run(self, *, seed: int, max_sweeps: int, patience: int, known_first: bool) -> Found:
        """Match from the activations, if there are any, then sweep over the groups as long as their match improves.

        Each sweep visits the groups in a new random order. A sweep that does not improve the mean similarity is undone
        and another order tried, ``patience`` times in a row at most; where no visit changes anything, none can.

        Args:
            seed: of the orders.
            max_sweeps: at most so many.
            patience: see above.
            known_first: without activations, begin with a sweep in the order of the groups that compares only tensors
                whose other units are matched. Otherwise all units count as matched in their order at first, and a
                residual stream rarely leaves that order again.
        """
        found = Found()
        if self._activations is not None:
            for number in range(len(self._visits)):
                self._visit(number, found, self._from_activations(number))
        if self._weights is None:
            return found
        if self._activations is None and known_first:
            for number in range(len(self._visits)):
                self._visit(number, found, self._from_weights(number, found.matchings, known_only=True))
        generator = torch.Generator().manual_seed(seed)
        best: dict[str, Matching] | None = None
        best_value, stale = 0.0, 0
        for sweep in range(max_sweeps):
            before = dict(found.matchings)
            order = torch.randperm(len(self._visits), generator=generator).tolist()
            found.sweeps.append([pair for number in order for pair in self._sweep_visit(number, found)])
            value = sum(found.values.values()) / len(found.values)
            log.info("sweep %d: mean similarity %.4f", sweep + 1, value)
            settled = all(before.get(name) is matching for name, matching in found.matchings.items())
            if best is not None and value <= best_value:
                stale += 1
                found.matchings = dict(best)
            else:
                best, best_value, stale = dict(found.matchings), value, 0
            if settled or stale >= patience:
                break
        return found

    def _sweep_visit(self, number: int, found: Found) -> list[tuple[str, float]]:
        """Match the groups of a visit again, unless nothing they depend on has changed since."""
        names = self._visits[number]
        assert self._weights is not None  # sweeps compare weights
        around = [found.matchings.get(other) for name in names for other in self._weights.neighbours(name)]
        known = self._memory.get(number)
        if known is not None and all(old is new for old, new in zip(known[0], around, strict=True)):
            found.matchings.update(zip(names, known[1], strict=True))
            found.values.update(zip(names, known[2], strict=True))
        else:
            self._visit(number, found, self._both(number, found.matchings))
            current = [found.matchings[name] for name in names]
            self._memory[number] = (around, current, [found.values[name] for name in names])
        return [(name, found.values[name]) for name in names]

    def _visit(self, number: int, found: Found, similarities: Sequence[Tensor]) -> None:
        matchings, values = self._match(similarities, self._blocks[number])
        for name, matching, value in zip(self._visits[number], matchings, values, strict=True):
            old = found.matchings.get(name)
            found.matchings[name] = old if old is not None and old.same_as(matching) else matching
            found.values[name] = value

    def _from_activations(self, number: int) -> list[Tensor]:
        assert self._activations is not None
        return [self._activations[name] for name in self._visits[number]]

    def _from_weights(self, number: int, matchings: Mapping[str, Matching], *, known_only: bool) -> list[Tensor]:
        assert self._weights is not None
        return [self._weights(name, matchings, known_only=known_only) for name in self._visits[number]]

    def _both(self, number: int, matchings: Mapping[str, Matching]) -> list[Tensor]:
        weights = self._from_weights(number, matchings, known_only=False)
        if self._activations is None:
            return weights
        activations = self._from_activations(number)
        return [dual(one, other, self._alpha) for one, other in zip(weights, activations, strict=True)]
