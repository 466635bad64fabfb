"""Permutation specs written as YAML, and back.

::

    groups:
      hidden:                                     # any name
        out: [first.weight, first.bias]           # tensors that make the units, along axis 0
        in: [second.weight]                       # tensors that read them, along axis 1
        stat: [norm.running_mean]                 # running statistics of them, along axis 0
        blocks: 1                                 # equal runs of units that stay whole: heads, or groups of a GroupNorm
        tie: null                                 # groups with the same word here move their blocks together
        residual: false                           # units of a residual stream
        taps: [{module: second, side: in, dim: 1}]
        published_taps: []
    untouched: [second.bias, "*.position_ids"]    # tensors without units; patterns are allowed
    outputs: []                                   # {group, name, dim} of outputs in the order of a group

Another axis, a part of it, or several indices a unit: ``{param: qkv.weight, axis: 0, start: 0, stop: 64, expand: 1}``
in place of a name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from fusion_bench.functional.permutation import ROLES, Member
from fusion_bench.models.permutation_spec import Group, Output, PermutationSpec, Tap

AXES = {"out": 0, "in": 1, "stat": 0}
_MEMBER = {"axis": 0, "start": 0, "stop": None, "expand": 1}
_GROUP_KEYS = (*ROLES, "blocks", "tie", "residual", "taps", "published_taps")


def read_spec(path: str | Path) -> PermutationSpec:
    """The spec in a YAML file.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: naming the key that is wrong.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(
            f"there is no permutation spec at {path}; spec must be a YAML file or what it would hold"
        )
    entries = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    if not isinstance(entries, Mapping):
        raise ValueError(f"{path} holds no permutation spec: it must be a mapping with the key 'groups'")
    return spec_from_mapping(entries)


def spec_from_mapping(entries: Mapping[str, Any]) -> PermutationSpec:
    """The spec that a mapping describes.

    Raises:
        ValueError: naming the key that is wrong.
    """
    _only(entries, ("groups", "untouched", "outputs"), "a permutation spec")
    groups = {str(name): _group(str(name), group) for name, group in entries.get("groups", {}).items()}
    if not groups:
        raise ValueError("a permutation spec needs at least one group under 'groups'")
    return PermutationSpec(
        groups=groups,
        untouched=tuple(entries.get("untouched") or ()),
        outputs=tuple(Output(**dict(output)) for output in entries.get("outputs") or ()),
    )


def spec_to_mapping(spec: PermutationSpec) -> dict[str, Any]:
    """What :func:`spec_from_mapping` reads back, of plain values."""
    return {
        "groups": {name: _group_entries(group) for name, group in spec.groups.items()},
        "untouched": list(spec.untouched),
        "outputs": [vars(output).copy() for output in spec.outputs],
    }


def _group(name: str, entries: Mapping[str, Any]) -> Group:
    if not isinstance(entries, Mapping):
        raise ValueError(f"the group {name!r} must be a mapping with the keys out and in, got {entries!r}")
    _only(entries, _GROUP_KEYS, f"the group {name!r}")
    members = [_member(entry, role, name) for role in ROLES for entry in entries.get(role) or ()]
    return Group(
        members=tuple(members),
        blocks=int(entries.get("blocks", 1)),
        tie=entries.get("tie"),
        residual=bool(entries.get("residual", False)),
        taps=_taps(entries.get("taps"), name),
        published_taps=_taps(entries.get("published_taps"), name),
    )


def _member(entry: str | Mapping[str, Any], role: str, group: str) -> Member:
    if isinstance(entry, str):
        return Member(entry, AXES[role], role)
    _only(entry, ("param", *_MEMBER), f"a member of the group {group!r}")
    if "param" not in entry:
        raise ValueError(f"a member of the group {group!r} lacks 'param', the name of its tensor: {dict(entry)}")
    return Member(role=role, **{"axis": AXES[role], **entry})


def _taps(entries: Sequence[Mapping[str, Any]] | None, group: str) -> tuple[Tap, ...]:
    taps = []
    for entry in entries or ():
        _only(entry, ("module", "side", "dim", "start", "stop"), f"a tap of the group {group!r}")
        dim = entry.get("dim", 1)
        taps.append(Tap(**{**entry, "dim": dim if isinstance(dim, int) else tuple(dim)}))
    return tuple(taps)


def _group_entries(group: Group) -> dict[str, Any]:
    entries: dict[str, Any] = {role: [] for role in ROLES}
    for member in group.members:
        options = {key: value for key, value in vars(member).items() if key in _MEMBER and value != _MEMBER[key]}
        if member.axis == AXES[member.role] and set(options) <= {"axis"}:
            entries[member.role].append(member.param)
        else:
            entries[member.role].append({"param": member.param, **options, "axis": member.axis})
    entries |= {"blocks": group.blocks, "tie": group.tie, "residual": group.residual}
    for key in ("taps", "published_taps"):
        taps = [vars(tap).copy() for tap in getattr(group, key)]
        entries[key] = [
            {**tap, "dim": list(tap["dim"]) if isinstance(tap["dim"], tuple) else tap["dim"]} for tap in taps
        ]
    return entries


def _only(entries: Mapping[str, Any], known: Sequence[str], where: str) -> None:
    unknown = [str(key) for key in entries if key not in known]
    if unknown:
        raise ValueError(f"{where} has the unknown key {unknown[0]!r}; known are {', '.join(known)}")
