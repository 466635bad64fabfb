"""Where the files of an installed suite are, by names like those of the Hub: ``tiny8/clip-vit-tiny``, ``tiny8/mnist``.

Before the first use in a process, a directory is compared with the manifest of its suite.
"""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent
MANIFEST = "manifest.json"
KINDS = ("models", "data")


def shipped_directory(name: str | Path) -> Path | None:
    """The directory of a shipped model or data set; None if ``name`` does not begin with the name of a suite.

    Args:
        name: ``SUITE/MODEL`` or ``SUITE/DATASET``.

    Raises:
        FileNotFoundError: if the suite has nothing of that name; names the nearest ones.
        ValueError: if a file is not as it was shipped.
    """
    suite, _, item = str(name).partition("/")
    if not item or suite not in suites():
        return None
    for kind in KINDS:
        directory = ROOT / suite / kind / item
        if item in _items(suite, kind):
            verify(suite, f"{kind}/{item}/")
            return directory
    known = [f"{suite}/{other}" for kind in KINDS for other in _items(suite, kind)]
    near = difflib.get_close_matches(str(name), known, n=3)
    hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"it has {', '.join(known)}"
    raise FileNotFoundError(f"the shipped suite {suite!r} has no {str(name)!r}; {hint}")


def shipped_file(name: str | Path) -> Path | None:
    """A file in the top directory of a suite, such as ``tiny8/individual.json``; None if there is none."""
    suite, _, item = str(name).partition("/")
    if suite not in suites() or item not in manifest(suite):
        return None
    verify(suite, item)
    return ROOT / suite / item


def local_file(name: str | Path) -> Path:
    """``name`` as a file: one on this machine, else one in the top directory of a suite; ``name`` itself if neither."""
    path = Path(name).expanduser()
    return path if path.exists() else shipped_file(name) or path


@cache
def suites() -> tuple[str, ...]:
    """The names of the suites that are installed."""
    return tuple(sorted(path.parent.name for path in ROOT.glob(f"*/{MANIFEST}")))


@cache
def manifest(suite: str) -> dict[str, str]:
    """SHA-256 in hexadecimal by file, relative to the directory of the suite."""
    content: dict[str, str] = json.loads((ROOT / suite / MANIFEST).read_text(encoding="utf-8"))
    return content


@cache
def verify(suite: str, prefix: str = "") -> None:
    """Compare the files of a suite whose names begin with ``prefix`` with its manifest, once in a process.

    Raises:
        ValueError: naming the first file that is missing or has other bytes.
    """
    for file, expected in manifest(suite).items():
        if file.startswith(prefix):
            path = ROOT / suite / file
            found = sha256(path) if path.is_file() else None
            if found != expected:
                state = "is missing" if found is None else f"has SHA-256 {found}, expected {expected}"
                raise ValueError(
                    f"damaged suite {suite!r}: {path} {state}; restore it ('git checkout' in a checkout of the "
                    "project, 'pip install --force-reinstall fusion_bench' otherwise)"
                )


def verified_sha256(path: Path) -> str | None:
    """The SHA-256 of a shipped file as the manifest has it, after :func:`verify`; None for any other file."""
    if ROOT not in path.parents:
        return None
    suite, *inner = path.relative_to(ROOT).parts
    file = "/".join(inner)
    if suite not in suites() or file not in manifest(suite):
        return None
    verify(suite, "/".join(inner[:2]) + "/" if len(inner) > 1 else file)
    return manifest(suite)[file]


def sha256(path: Path) -> str:
    """The SHA-256 of a file that fits into memory, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _items(suite: str, kind: str) -> list[str]:
    """The models or data sets of a suite, in the order of the manifest."""
    return list(dict.fromkeys(_names(manifest(suite), f"{kind}/")))


def _names(files: dict[str, str], prefix: str) -> Iterator[str]:
    for file in files:
        if file.startswith(prefix) and file.count("/") > 1:
            yield file.removeprefix(prefix).partition("/")[0]
