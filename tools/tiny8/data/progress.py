"""A line on standard error that says how far a long loop is and when it will end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")


def progress(items: Sequence[Item], title: str) -> Iterator[Item]:
    """The items, reported as they are taken."""
    yield from tqdm(items, desc=f"tiny8 data: {title}", mininterval=5, unit="")
