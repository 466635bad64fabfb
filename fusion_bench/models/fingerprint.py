"""SHA-256 of checkpoint files, read in threads and computed once per version of a file."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

_BLOCK = 1 << 20


class FileHashes:
    """SHA-256 by file; a file is read again only when its size or its time of change is another."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int, int], str] = {}

    def of(self, paths: Sequence[Path]) -> dict[Path, str]:
        """The SHA-256 of each file, as hexadecimal digits."""
        with ThreadPoolExecutor() as threads:  # hashing releases the interpreter lock
            return dict(zip(paths, threads.map(self._one, paths), strict=True))

    def _one(self, path: Path) -> str:
        status = path.stat()
        key = (str(path.resolve()), status.st_size, status.st_mtime_ns)
        if key not in self._known:
            self._known[key] = sha256(path)
        return self._known[key]


def sha256(path: Path) -> str:
    """SHA-256 of a file's content, as hexadecimal digits; the file is never held in memory as a whole."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
