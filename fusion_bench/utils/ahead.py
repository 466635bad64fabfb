"""Compute the next items of an iterator in a thread while the last one is used."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
_END = object()


def ahead(items: Iterator[T], depth: int = 2) -> Iterator[T]:
    """The same items in the same order; up to ``depth`` of them are made before they are asked for.

    What making an item raises is raised where it would have come. If the iteration is given up, the thread ends after
    the item in work.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="ahead") as thread:
        waiting: list[Future[object]] = [thread.submit(next, items, _END) for _ in range(depth)]
        try:
            while (item := waiting.pop(0).result()) is not _END:
                waiting.append(thread.submit(next, items, _END))
                yield item  # type: ignore[misc]
        finally:
            for future in waiting:
                future.cancel()
