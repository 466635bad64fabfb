"""SHA-256 of files, read in threads and computed once per version of a file, and the fingerprint of several."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

from fusion_bench.models.hash_memory import HashMemory, default_memory, version_of
from fusion_bench.suites.shipped import verified_sha256

_BLOCK = 1 << 20
_SHA256 = re.compile(r"[0-9a-f]{64}")


class FileHashes:
    """SHA-256 by file; a file is read again only when its size, its times of change or its inode are others.

    Args:
        memory: the file that remembers large files between processes; None remembers nothing.
    """

    def __init__(self, memory: Path | None = None) -> None:
        self._known: dict[tuple[str, tuple[int, ...]], str] = {}
        self._memory = memory

    def of(self, paths: Sequence[Path]) -> dict[Path, str]:
        """The SHA-256 of each file, as hexadecimal digits.

        Raises:
            ValueError: if a download in a cache of the Hub is damaged.
        """
        memory = HashMemory(self._memory) if self._memory is not None else None
        with ThreadPoolExecutor() as threads:  # hashing releases the interpreter lock
            hashes = threads.map(lambda path: self._one(path, memory), paths)
            found = dict(zip(paths, hashes, strict=True))
        if memory is not None:
            memory.save()
        return found

    def _one(self, path: Path, memory: HashMemory | None) -> str:
        shipped = verified_sha256(path)
        if shipped is not None:
            return shipped
        real = path.resolve()
        version = version_of(real.stat())
        key = (str(real), version)
        if key not in self._known:
            found = memory.recall(real) if memory is not None else None
            if found is None:
                found = sha256(path)
                if memory is not None:
                    memory.remember(real, version, found)
            _check_download(real, found)
            self._known[key] = found
        return self._known[key]


def file_hashes() -> FileHashes:
    """The hashes that all of this process shares, so that no version of a file is read twice."""
    return _shared(default_memory())


@cache
def _shared(memory: Path) -> FileHashes:
    return FileHashes(memory)


def sha256(path: Path) -> str:
    """SHA-256 of a file's content, as hexadecimal digits; the file is never held in memory as a whole."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def combined_sha256(hashes: Mapping[str, str]) -> str:
    """One SHA-256 for several files: that of a line ``NAME SHA256`` for each, in the order given."""
    lines = "".join(f"{name} {digest}\n" for name, digest in hashes.items())
    return hashlib.sha256(lines.encode()).hexdigest()


def _check_download(path: Path, found: str) -> None:
    """Large files in a cache of the Hub are named by their SHA-256, small ones by another hash."""
    if path.parent.name == "blobs" and _SHA256.fullmatch(path.name) and path.name != found:
        raise ValueError(
            f"damaged download: {path} ({os.path.getsize(path)} bytes) has SHA-256 {found}, expected {path.name}; "
            "delete it and download it again"
        )
