"""The keys by which runs are grouped: names, options of the method, or any place in the configuration."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fusion_bench.reporting.run import Run

NAMED_KEYS = ("method", "backbone", "suite", "seed")
_CONDITIONS = ("fabric.precision",)  # of the configuration, beside the method, that change scores
_NOTHING = "\0"  # where a run does not have a key


def key_value(run: Run, key: str) -> Any:
    """The value of a key in a run; None where it has none.

    Args:
        run: the run.
        key: one of :data:`NAMED_KEYS`, an option of the method, or a dotted path into the configuration.
    """
    if key == "method":
        return run.method
    if key == "backbone":
        return run.backbone.name
    if key == "suite":
        return run.suite.name
    if key == "seed":
        return run.seed
    if key in run.settings:
        return run.settings[key]
    return _select(run.config, key)


def key_text(value: Any) -> str:
    """A value as a table shows it; empty for None."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def check_keys(runs: Sequence[Run], keys: Iterable[str]) -> None:
    """Find a key that no run has.

    Raises:
        ValueError: naming the nearest ones.
    """
    for key in keys:
        if key not in NAMED_KEYS and not any(_has(run, key) for run in runs):
            options = dict.fromkeys([*NAMED_KEYS, *(option for run in runs for option in run.settings)])
            near = difflib.get_close_matches(key, options, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise ValueError(
                f"no run has the key {key!r}; {hint}A key is {', '.join(NAMED_KEYS)}, an option of a method such as "
                "alpha, or a place in config.yaml such as fabric.precision"
            )


def differing_keys(runs: Sequence[Run], keys: Sequence[str]) -> list[str]:
    """What else differs between runs that ``keys`` do not tell apart, and changes their scores."""
    groups: dict[tuple[str, ...], list[Run]] = {}
    for run in runs:
        groups.setdefault(identity(run, keys), []).append(run)
    found: dict[str, None] = {}
    for group in groups.values():
        options = dict.fromkeys([*(option for run in group for option in run.hyper_parameters), *_CONDITIONS])
        for key in options:
            if key not in keys and len({_identity(run, key) for run in group}) > 1:
                found[key] = None
    return list(found)


def identity(run: Run, keys: Iterable[str]) -> tuple[str, ...]:
    """What runs of one group have in common, to be compared with that of another run."""
    return tuple(_identity(run, key) for key in keys)


def _identity(run: Run, key: str) -> str:
    return json.dumps(key_value(run, key), sort_keys=True, default=str) if _has(run, key) else _NOTHING


def _has(run: Run, key: str) -> bool:
    return key in NAMED_KEYS or key in run.settings or _select(run.config, key, _NOTHING) != _NOTHING


def _select(config: Mapping[str, Any], key: str, default: Any = None) -> Any:
    value: Any = config
    for part in key.split("."):
        if isinstance(value, Mapping) and part in value:
            value = value[part]
        elif isinstance(value, list) and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        else:
            return default
    return value
