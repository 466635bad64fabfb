"""The matching of one group, or of groups that are tied, from how similar their units are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from torch import Tensor

from fusion_bench.functional.assignment import align
from fusion_bench.functional.params import Params
from fusion_bench.functional.permutation import Matching, Member
from fusion_bench.functional.similarity import Rows, member_rows, row_correlation
from fusion_bench.functional.zipping import pair_blocks, zip_units
from fusion_bench.models.permutation_spec import PermutationSpec

Matchings = Mapping[str, Matching]
Match = Callable[[Sequence[Tensor], int], tuple[list[Matching], list[float]]]
"""From similarities of tied groups, and their number of blocks, to matchings and their values."""


def align_match(similarities: Sequence[Tensor], blocks: int) -> tuple[list[Matching], list[float]]:
    """One-to-one matchings with the first model, from similarities ``(models - 1, units, units)``."""
    return align(similarities, blocks=blocks)


def zip_match(models: int, *, a: float, b: float, lenient: bool) -> Match:
    """Greedy merging, from similarities ``(models · units, models · units)``; for the options see ``zip_units``."""

    def match(similarities: Sequence[Tensor], blocks: int) -> tuple[list[Matching], list[float]]:
        pairing = pair_blocks(similarities, models, blocks) if blocks > 1 else None
        found = [
            zip_units(similarity, models, a=a, b=b, blocks=blocks, pairing=pairing, lenient=lenient)
            for similarity in similarities
        ]
        return [matching for matching, _ in found], [value for _, value in found]

    return match


class WeightSimilarity:
    """Correlations of the weights of units, given how the units beside them are matched.

    Args:
        models: tensors of each model.
        spec: the groups.
        cross: only between the first model and the others.
        average: whether incoming columns of a cluster are averaged, see :func:`member_rows`.
    """

    def __init__(self, models: Sequence[Params], spec: PermutationSpec, *, cross: bool, average: bool = True) -> None:
        self._models, self._spec, self._cross, self._average = models, spec, cross, average
        self._placed = spec.placed()

    def neighbours(self, group: str) -> tuple[str, ...]:
        """The groups whose matchings the similarity of ``group`` depends on."""
        found = [other for member in self._compared(group) for other, _ in self._others(member)]
        return tuple(dict.fromkeys(found))

    def __call__(self, group: str, matchings: Matchings, *, known_only: bool = False) -> Tensor:
        """The correlations of the units of ``group``.

        Args:
            group: its name.
            matchings: of the groups that have one; others count as matched in their order.
            known_only: leave out tensors that lie in a group without a matching, as long as some are left.
        """
        members = self._compared(group)
        if known_only:
            known = [member for member in members if self._is_known(member, matchings)]
            members = known or members

        def parts() -> list[Rows]:
            return [self._rows(member, matchings) for member in members]

        return row_correlation(parts, cross=self._cross)

    def _compared(self, group: str) -> list[Member]:
        """The tensors of a group without statistics, and without heads for other classes in each model."""
        members = [member for member in self._spec.groups[group].members if member.role != "stat"]
        return [one for one in members if len({params[one.param].shape for params in self._models}) == 1]

    def _others(self, member: Member) -> list[tuple[str, Member]]:
        dims = self._models[0][member.param].dim()
        placed = self._placed[member.param]
        return [(name, place) for name, place in placed if place.axis % dims != member.axis % dims]

    def _is_known(self, member: Member, matchings: Matchings) -> bool:
        return all(name in matchings for name, _ in self._others(member))

    def _rows(self, member: Member, matchings: Matchings) -> Rows:
        tensors = [params[member.param] for params in self._models]
        others = [(place, matchings[name]) for name, place in self._others(member) if name in matchings]
        return member_rows(tensors, member, others, average=self._average)
