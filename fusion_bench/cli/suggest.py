"""The nearest valid names to a misspelt one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

LIST_LIMIT = 12


def nearest(name: str, candidates: Iterable[str], *, cutoff: float = 0.6, limit: int = 3) -> list[str]:
    """The candidates most like ``name``, best first; letter case does not count."""
    originals = {candidate.lower(): candidate for candidate in reversed(list(candidates))}
    return [originals[match] for match in difflib.get_close_matches(name.lower(), originals, limit, cutoff)]


def nearest_option(name: str, options: Sequence[str]) -> list[str]:
    """The options of a group most like ``name``; ``opcm`` also finds ``opcm/opcm`` by its last part."""
    leaf = name.rpartition("/")[2]
    same_leaf = [option for option in options if option.rpartition("/")[2] == leaf]
    leaves = {option.rpartition("/")[2]: option for option in reversed(options)}
    near_leaf = [leaves[match] for match in nearest(leaf, leaves, cutoff=0.75)]
    return list(dict.fromkeys([*same_leaf, *nearest(name, options), *near_leaf]))[:3]


def nearest_key(key: str, keys: Sequence[str]) -> list[str]:
    """The dotted keys most like ``key``: beside it, then with its last part elsewhere, then like it as a whole."""
    parent, _, leaf = key.rpartition(".")
    prefix = f"{parent}." if parent else ""
    siblings = [name for name in keys if name.startswith(prefix) and "." not in name[len(prefix) :]]
    beside = [prefix + match for match in nearest(leaf, [name[len(prefix) :] for name in siblings])]
    same_leaf = [name for name in keys if name.rpartition(".")[2] == leaf]
    elsewhere = nearest(key, keys, cutoff=0.7)
    return list(dict.fromkeys([*beside, *same_leaf, *elsewhere]))[:3]


def did_you_mean(names: Sequence[str], valid: Sequence[str] = (), *, what: str = "valid names") -> str:
    """The end of an error message: the nearest names, or the valid ones where nothing is near."""
    if names:
        return f"; did you mean {' or '.join(map(repr, names))}?"
    if valid:
        shown = ", ".join(valid[:LIST_LIMIT])
        return f"; {what}: {shown}{f', ... ({len(valid)} in all)' if len(valid) > LIST_LIMIT else ''}"
    return ""
