"""A permutation spec cut in two: groups that are merged, and tensors that stay with each model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from fusion_bench.functional.params import Params
from fusion_bench.models.checks import fits
from fusion_bench.models.permutation_spec import PermutationSpec


def cut(spec: PermutationSpec, params: Params, separate: Sequence[str]) -> tuple[PermutationSpec, list[str]]:
    """The spec of the groups that are merged, and the names of the tensors that are not.

    Units that separate tensors make stay as they are; where separate tensors read merged units, each model's are taken
    to the merged units (partial zip of Stoica et al., "ZipIt!", ICLR 2024, arXiv 2305.03053).

    Args:
        spec: the groups.
        params: tensors of a model.
        separate: names or patterns of the tensors to keep apart, such as ``classifier.*``.

    Raises:
        TypeError: if ``separate`` is one string.
        ValueError: if a pattern fits no tensor, or a group is made by tensors on both sides of the cut.
    """
    if isinstance(separate, str):
        raise TypeError(f"separate must be a list of tensor names or patterns, got the string {separate!r}")
    for pattern in separate:
        if not any(fits(name, [pattern]) for name in params):
            raise ValueError(f"separate names {pattern!r}, which fits no tensor; they are {list(params)}")
    kept = [name for name in params if fits(name, separate)]
    groups = {}
    for name, group in spec.groups.items():
        made = [member.param for member in group.members if member.role != "in"]
        apart = [param for param in made if param in kept]
        if not apart:
            groups[name] = group
        elif len(apart) < len(made):
            merged = next(param for param in made if param not in kept)
            raise ValueError(
                f"separate cuts through the group {name!r}: {apart[0]!r} is kept apart and {merged!r} is not"
                + (", both of one residual stream; set residual=false, or cut elsewhere" if group.residual else "")
            )
    return replace(spec, groups=groups), kept
