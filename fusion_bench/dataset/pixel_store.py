"""Preprocessed images on disk: one file for each data set and preprocessing, shared by all runs of a machine.

Any number of processes may use a store at once. A file appears under its name only when it is complete, and a process
that has mapped one keeps it, also when another process removes it to make room.
"""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

from safetensors import SafetensorError

from fusion_bench.dataset.pixel_file import PARTIAL, PixelWriter, StoredPixels

log = logging.getLogger(__name__)

_SUFFIX = ".safetensors"
_ABANDONED = 3600.0  # seconds without a write after which a partial file has no writer any more


@dataclass(frozen=True)
class PixelStore:
    """Files of preprocessed images in a directory.

    Args:
        directory: created when the first file is written.
        limit: bytes that all files together may take; those not used for longest make room for new ones.
    """

    directory: Path
    limit: int

    def open(self, key: str) -> StoredPixels | None:
        """What was stored under a key; None if nothing was, or if it is damaged, which removes it."""
        path = self._path(key)
        if not path.is_file():
            return None
        try:
            stored = StoredPixels.read(path, key)
        except (OSError, ValueError, SafetensorError) as error:
            log.warning("%s is damaged and will be made again: %s", path, error)
            self.remove(key)
            return None
        with contextlib.suppress(OSError):  # a file of somebody else is read all the same
            os.utime(path)  # it was used last just now
        return stored

    def remove(self, key: str) -> None:
        """Forget what was stored under a key."""
        with contextlib.suppress(OSError):
            self._path(key).unlink()

    def create(self, key: str, count: int, shape: Sequence[int]) -> PixelWriter | None:
        """A writer for ``count`` images ``(channels, height, width)``; None where there is no room for them."""
        size = count * prod(shape)
        if size > self.limit:
            return None
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            self._make_room(size)
            return PixelWriter(self._path(key), key, count, shape)
        except OSError as error:
            log.warning("preprocessed images are not kept in %s: %s", self.directory, error)
            return None

    def _path(self, key: str) -> Path:
        return self.directory / f"{key}{_SUFFIX}"

    def _make_room(self, needed: int) -> None:
        """Remove what abandoned writers left, then the files that were not used for longest."""
        for partial, status in _files(self.directory, f"{PARTIAL}*"):
            if time.time() - status.st_mtime > _ABANDONED:
                partial.unlink(missing_ok=True)
        files = sorted(_files(self.directory, f"*{_SUFFIX}"), key=lambda file: file[1].st_mtime)
        taken = sum(status.st_size for _, status in files)
        for path, status in files:
            if taken + needed <= self.limit:
                break
            path.unlink(missing_ok=True)
            taken -= status.st_size


def _files(directory: Path, pattern: str) -> Iterator[tuple[Path, os.stat_result]]:
    """Files and their states; those that another process removes meanwhile are left out."""
    for path in directory.glob(pattern):
        with contextlib.suppress(OSError):
            yield path, path.stat()
