"""Files and directories that appear under their final name only when they are complete."""

from __future__ import annotations

import ctypes
import errno
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

_PARTIAL = ".partial-"
_SYNC_FILE_RANGE_WRITE = 2  # of Linux


@contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """A temporary name beside ``path`` to write a file to; renamed to ``path`` when the block succeeds."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{_PARTIAL}{path.name}.{os.getpid()}")
    try:
        with naming_a_full_disk(path):
            yield partial
            _give_usual_mode(partial)
            _sync(partial)
        os.replace(partial, path)
        _sync(path.parent)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def atomic_directory(path: Path | str) -> Iterator[Path]:
    """A temporary directory beside ``path``; takes the place of ``path`` when the block succeeds."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f"{_PARTIAL}{path.name}.", dir=path.parent))
    try:
        with naming_a_full_disk(path):
            yield partial
            for file in sorted(partial.rglob("*")):
                _give_usual_mode(file)
                _sync(file)
            _give_usual_mode(partial)
        if path.exists():
            old = Path(tempfile.mkdtemp(prefix=f"{_PARTIAL}old.", dir=path.parent))
            os.rename(path, old / path.name)
            os.rename(partial, path)
            shutil.rmtree(old, ignore_errors=True)
        else:
            os.rename(partial, path)
        _sync(path.parent)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def link_or_copy(source: Path, target: Path) -> None:
    """Give a file a second name; where that cannot be, because of another file system, a copy."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def remove_partial(directory: Path) -> None:
    """Delete what an interrupted writer left in ``directory`` (not in its subdirectories)."""
    for leftover in sorted(directory.glob(f"{_PARTIAL}*")):
        if leftover.is_dir():
            shutil.rmtree(leftover, ignore_errors=True)
        else:
            leftover.unlink(missing_ok=True)


def start_writing_back(descriptor: int, offset: int, length: int) -> None:
    """Have what was written to a part of a file go to the disk while this process goes on; returns at once.

    A later sync finds less to wait for. Does nothing where the C library cannot.
    """
    if (function := _sync_file_range()) is not None:
        function(descriptor, offset, length, _SYNC_FILE_RANGE_WRITE)  # an error here would be one of the sync too


@cache
def _sync_file_range() -> Callable[..., int] | None:
    try:
        function = ctypes.CDLL(None).sync_file_range
    except (OSError, AttributeError, TypeError):  # None is no library name on Windows
        return None
    function.argtypes = [ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint]
    function.restype = ctypes.c_int
    return function


def write_json(path: Path | str, value: Any) -> None:
    """Write ``value`` as indented JSON, atomically. NaN and infinities are refused."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    write_text(path, text)


def write_text(path: Path | str, text: str) -> None:
    """Write a UTF-8 text file atomically."""
    with atomic_path(path) as partial:
        partial.write_text(text, encoding="utf-8")


def atomic_new_file(path: Path | str, text: str) -> bool:
    """Write a UTF-8 text file that is complete when it appears; False if there is one already, which then stays."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f"{_PARTIAL}{path.name}.", dir=path.parent)
    partial = Path(name)
    try:
        with naming_a_full_disk(path):
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
            _give_usual_mode(partial)
            _sync(partial)
        try:
            os.link(partial, path)
        except FileExistsError:
            return False
        except OSError:  # a file system without links: two writers at the same moment would both be first
            if path.exists():
                return False
            os.replace(partial, path)
        _sync(path.parent)
        return True
    finally:
        partial.unlink(missing_ok=True)


def read_json(path: Path | str) -> Any:
    """The content of a JSON file; a ``ValueError`` that names the file where it is not JSON."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not valid JSON: {error}") from error


@contextmanager
def naming_a_full_disk(path: Path) -> Iterator[None]:
    """Say which file found the disk full; writers of other libraries report it in words of their own."""
    try:
        yield
    except Exception as error:
        full = getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or "No space left on device" in str(error)
        if not full:
            raise
        raise OSError(
            errno.ENOSPC,
            f"the disk is full while writing {path}. What was written before is kept; free some space and run again "
            "(resume=true goes on after the last complete step)",
        ) from error


def _give_usual_mode(path: Path) -> None:
    """The permissions of a file or directory that was created plainly; some writers make theirs private."""
    mask = os.umask(0)
    os.umask(mask)
    path.chmod((0o777 if path.is_dir() else 0o666) & ~mask)


def _sync(path: Path) -> None:
    """Ask the file system to put a file or directory on disk; ignored where a directory cannot be synced."""
    if os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError:
        if not path.is_dir():  # some file systems refuse to sync a directory
            raise
    finally:
        os.close(descriptor)
