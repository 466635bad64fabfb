"""Ranges of options, with messages that name the option, what came and what is allowed."""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence
from typing import Any


def check_count(name: str, value: Any, *, at_least: int) -> None:
    """Check that an option is an integer and large enough; a ValueError says what it must be."""
    if not isinstance(value, int) or isinstance(value, bool) or value < at_least:
        raise ValueError(f"{name} must be an integer of at least {at_least}, got {value!r}")


def check_number(
    name: str, value: Any, *, above: float | None = None, at_least: float | None = None, below: float = math.inf
) -> None:
    """Check that an option is a number in its range; a ValueError says what it must be."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and value < below and (above is None or value > above) and (at_least is None or value >= at_least):
        return
    low = f"above {above:g}" if above is not None else f"at least {at_least or 0:g}"
    high = "" if math.isinf(below) else f" and below {below:g}"
    raise ValueError(f"{name} must be a number {low}{high}, got {value!r}")


def check_choice(name: str, value: Any, choices: Sequence[str]) -> None:
    """Check that an option is one of some words; a ValueError lists them and names the nearest."""
    if value not in choices:
        near = difflib.get_close_matches(str(value), choices, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"{name} must be one of {', '.join(choices)}; got {value!r}{hint}")
