"""A configuration as a tree to read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf


def format_config_tree(cfg: Any) -> str:
    """The resolved configuration, one key a line, nested keys as branches.

    Args:
        cfg: a ``DictConfig``, or a plain mapping.

    >>> print(format_config_tree({"seed": None, "method": {"alpha": 0.5, "order": ["b", "a"]}}))
    ├── seed: null
    └── method
        ├── alpha: 0.5
        └── order: [b, a]
    """
    config = cfg if isinstance(cfg, DictConfig) else OmegaConf.create(dict(cfg))
    plain = OmegaConf.to_container(config, resolve=True, throw_on_missing=False)
    return "\n".join(_branches(plain, "")) or "(empty)"


def _branches(node: Any, indent: str) -> list[str]:
    """The lines below a mapping or a list of mappings."""
    entries = list(node.items()) if isinstance(node, Mapping) else list(enumerate(node))
    lines = []
    for position, (key, value) in enumerate(entries, start=1):
        last = position == len(entries)
        branch, below = ("└── ", "    ") if last else ("├── ", "│   ")
        if _is_branch(value):
            lines += [f"{indent}{branch}{key}", *_branches(value, indent + below)]
        else:
            lines.append(f"{indent}{branch}{key}: {_leaf(value)}")
    return lines


def _is_branch(value: Any) -> bool:
    """Whether a value gets lines of its own: a mapping with entries, or a list that holds one or another list."""
    if isinstance(value, Mapping):
        return bool(value)
    return _is_list(value) and any(isinstance(item, Mapping) or _is_list(item) for item in value)


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence | ListConfig) and not isinstance(value, str | bytes)


def _leaf(value: Any) -> str:
    """A value as YAML writes it, on one line."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "{}"
    if _is_list(value):
        return f"[{', '.join(map(_leaf, value))}]"
    text = str(value)
    return text if text.strip() == text and text and "\n" not in text else json.dumps(text, ensure_ascii=False)
