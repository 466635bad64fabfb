"""Tensors in safetensors files, memory-mapped: a view of the file instead of a copy in memory."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from safetensors import safe_open
from torch import Tensor

_LENGTH_BYTES = 8  # a safetensors file starts with the length of its JSON header
_LFS_POINTER = b"version https://git-lfs"


class MappedTensors(Mapping[str, Tensor]):
    """Tensors by name, each read from its file when asked for.

    A tensor is a view of privately mapped pages: it costs no memory until it is read, and writing to it never reaches
    the file. It is meant to be read only. Can be pickled; the copy opens the files again.

    Args:
        entries: name to (file, name of the tensor inside that file).
    """

    def __init__(self, entries: Mapping[str, tuple[Path, str]]) -> None:
        self._entries = dict(entries)
        self._handles: dict[Path, Any] = {}
        self._places: dict[Path, dict[str, tuple[int, int, int]]] = {}  # of tensors in files that were read ahead

    def renamed(self, stored_names: Mapping[str, str]) -> MappedTensors:
        """The tensors ``stored_names`` lists as ``{new name: name here}``, in that order."""
        return MappedTensors({new: self._entries[stored] for new, stored in stored_names.items()})

    @property
    def paths(self) -> list[Path]:
        """The files, each once."""
        return list(dict.fromkeys(path for path, _ in self._entries.values()))

    def absolute(self) -> MappedTensors:
        """The same tensors in files named from the root, as a process in another directory needs them."""
        return MappedTensors({name: (path.absolute(), stored) for name, (path, stored) in self._entries.items()})

    def open(self) -> MappedTensors:
        """Open every file now, so that its tensors stay there when it is deleted; returns itself."""
        for path in self.paths:
            self._opened(path)
        return self

    def read_ahead(self, name: str) -> None:
        """Ask the system to start reading a tensor into memory that it has to spare; returns at once."""
        if not hasattr(os, "posix_fadvise"):
            return
        path, stored = self._entries[name]
        with path.open("rb") as file:
            if path not in self._places:
                length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
                header = _parse_header(file.read(length), str(path))
                start = _LENGTH_BYTES + length
                self._places[path] = {key: (start, *entry["data_offsets"]) for key, entry in header.items()}
            start, first, end = self._places[path][stored]
            os.posix_fadvise(file.fileno(), start + first, end - first, os.POSIX_FADV_WILLNEED)

    def _opened(self, path: Path) -> Any:
        handle = self._handles.get(path)
        if handle is None:
            handle = self._handles.setdefault(path, safe_open(path, framework="pt"))
        return handle

    def __getitem__(self, name: str) -> Tensor:
        path, stored = self._entries[name]
        tensor: Tensor = self._opened(path).get_tensor(stored)
        return tensor

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __getstate__(self) -> dict[str, Any]:
        return {"_entries": self._entries, "_handles": {}, "_places": {}}


def tensor_names(path: Path, owner: str) -> list[str]:
    """Names of the tensors in a safetensors file, after a check that the file is complete.

    Args:
        path: the file.
        owner: whose file it is, as the start of an error message: ``"model 'mnist'"``.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is empty, truncated or not in the safetensors format; names ``owner``, the file and,
            where known, the expected and the actual size in bytes.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{owner}: {path} does not exist")
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(_LENGTH_BYTES)
        length = int.from_bytes(start, "little")
        if size < _LENGTH_BYTES:
            raise ValueError(
                f"{owner}: {path} has {size} bytes; a safetensors file has at least {_LENGTH_BYTES}. "
                "Copy or download it again"
            )
        if length > size - _LENGTH_BYTES:
            rest = start + file.read(len(_LFS_POINTER))
            raise ValueError(f"{owner}: {path} {_why_no_header(rest, _LENGTH_BYTES + length, size)}")
        header = _parse_header(file.read(length), f"{owner}: {path}")
    data_end = max((entry["data_offsets"][1] for entry in header.values()), default=0)
    expected = _LENGTH_BYTES + length + data_end
    if size != expected:
        kind = "truncated" if size < expected else "corrupt"
        raise ValueError(
            f"{owner}: {path} is {kind}: expected {expected} bytes, it has {size}. Copy or download it again"
        )
    return list(header)


def _why_no_header(start: bytes, expected: int, size: int) -> str:
    if start.startswith(_LFS_POINTER):
        return f"is a Git LFS pointer of {size} bytes, not the weights; run 'git lfs pull'"
    return (
        f"is truncated or not a safetensors file: its header alone asks for {expected} bytes, it has {size}. "
        "Copy or download it again"
    )


def _parse_header(text: bytes, where: str) -> dict[str, Any]:
    try:
        header = json.loads(text)
        header.pop("__metadata__", None)
        for entry in header.values():
            _, _, (_, _) = entry["dtype"], entry["shape"], entry["data_offsets"]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"{where} is corrupt: its header is not that of a safetensors file ({error})") from error
    return dict(header)
