"""SHA-256 of large files, remembered between processes for as long as the files stay as they were."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping
from pathlib import Path

from fusion_bench.utils.cache import user_cache
from fusion_bench.utils.files import read_json, write_json

log = logging.getLogger(__name__)

LARGE = 1 << 24  # bytes; smaller files are hashed in no time
_SETTLED = 2_000_000_000  # nanoseconds: a file changed so lately may change again within the same tick of its clock


class HashMemory:
    """Hashes by path in a JSON file; an entry counts only for the very version of the file it was made from.

    Args:
        path: the file, written atomically; one that cannot be read or written only costs time.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._entries = _read(path)
        self._new: dict[str, list[int | str]] = {}

    def recall(self, path: Path) -> str | None:
        """The hash of a file that is as it was; None if it is unknown, small or another version."""
        entry = self._entries.get(str(path))
        if not isinstance(entry, list) or len(entry) != 5 or tuple(entry[:-1]) != version_of(path.stat()):
            return None
        return str(entry[-1])

    def remember(self, path: Path, version: tuple[int, ...], digest: str) -> None:
        """Keep the hash that was computed of ``version``, unless the file is small, changed since or just changed."""
        size, *times = version[:3]
        settled = all(time.time_ns() - changed > _SETTLED for changed in times)
        if size >= LARGE and settled and version_of(path.stat()) == version:
            self._new[str(path)] = [*version, digest]

    def save(self) -> None:
        """Add what is new to the file, beside what other processes have written to it."""
        if not self._new:
            return
        self._entries = {**_read(self._path), **self._new}
        self._new = {}
        try:
            write_json(self._path, self._entries)
        except OSError as error:
            log.warning("hashes of files are not remembered: %s", error)


def default_memory() -> Path:
    """The file of this user: ``fusion_bench/sha256.json`` in ``$XDG_CACHE_HOME`` or ``~/.cache``."""
    return user_cache() / "sha256.json"


def version_of(status: os.stat_result) -> tuple[int, ...]:
    """What tells two versions of a file apart: size, times of change in nanoseconds, inode.

    The second time is that of any change to the file or its attributes, which a copying tool cannot put back.
    """
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def _read(path: Path) -> Mapping[str, object]:
    try:
        entries = read_json(path) if path.is_file() else {}
    except (OSError, ValueError) as error:
        log.warning("starting anew with the remembered hashes of files: %s", error)
        return {}
    return entries if isinstance(entries, dict) else {}
