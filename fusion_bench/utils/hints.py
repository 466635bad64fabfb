"""Advice that ends an error message about a missing directory."""

from __future__ import annotations

from pathlib import Path


def how_to_get(directory: str | Path) -> str:
    """Which command makes a directory of the local suite; empty for any other."""
    if "local_suite" not in Path(directory).parts:
        return ""
    return (
        "; 'make local-suite' (or 'python -m tools.local_suite') in a checkout of the project builds it. "
        "Run there, or set path.root_dir to the checkout"
    )
