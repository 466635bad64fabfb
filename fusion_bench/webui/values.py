"""What a user typed into a field as one argument of the command line, which never is more than a value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import QuotedString
from hydra.errors import OverrideParseException

_PLAIN = re.compile(r"(?:\.{0,2}/|[A-Za-z_])[A-Za-z0-9_./\-]*")
_WORDS = ("null", "true", "false", "nan", "inf")  # what a plain word must not be, in any case


def argument(key: str, text: str) -> str:
    """``key=value`` for what was typed: a number, ``true``, ``null``, ``[a, b]``, ``{a: 1}`` or any other text.

    Sweeps and functions of the command line are text here: a page starts one run.

    Raises:
        OverrideParseException: if ``text`` begins like a list or a mapping and is none.
    """
    return f"{key}={literal(_typed(key, text.strip()))}"


def literal(value: Any) -> str:
    """``value`` in the grammar of the command line; every text comes back as the same text.

    Raises:
        ValueError: if ``value`` is text that the grammar cannot hold.
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{literal(str(key))}:{literal(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(literal, value)) + "]"
    return _text(str(value))


def _typed(key: str, text: str) -> Any:
    """The value that the command line would read, where it reads a value; else the text itself."""
    try:
        (override,) = OverridesParser.create().parse_overrides([f"{key}={text}"])
    except OverrideParseException:
        if text.startswith(("[", "{")):
            raise
        return text
    return text if override.is_sweep_override() else _plain(override.value())


def _plain(value: Any) -> Any:
    if isinstance(value, QuotedString):
        return value.text
    if isinstance(value, Mapping):
        return {_plain(key): _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _text(value: str) -> str:
    if _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    if not value.isprintable():
        raise ValueError(f"a value may hold no line break or control character, got {value!r}")
    # In quotes the grammar reads backslashes only before a quote, so those at the end count too.
    escaped = re.sub(r"(\\*)'", lambda match: rf"{2 * match[1]}\'", value)
    escaped = re.sub(r"\\+$", lambda match: 2 * match[0], escaped)
    return f"'{escaped}'"
