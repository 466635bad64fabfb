"""Results of slow steps kept as files, so that a build that was stopped goes on where it was."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from fusion_bench.utils.files import atomic_path
from tools.tiny8.data.draw import Pixels

log = logging.getLogger(__name__)


def pictures(path: Path, decode: Callable[[], dict[str, Pixels]]) -> dict[str, Pixels]:
    """Named pictures of one shape, decoded once and kept in ``path``."""
    names_path = path.with_suffix(".json")
    if not names_path.is_file():
        log.info("decoding %s", path.stem)
        decoded = decode()
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as partial, partial.open("wb") as file:
            np.save(file, np.stack(list(decoded.values())))
        write_json(list(decoded), names_path)
    return dict(zip(read_json(names_path), np.load(path), strict=True))


def records(path: Path, make: Callable[[], Any]) -> Any:
    """What ``make`` returns, as JSON keeps it, made once and kept in ``path``."""
    if not path.is_file():
        log.info("making %s", path.stem)
        write_json(make(), path)
    return read_json(path)


def read_json(path: Path) -> Any:
    """The contents of a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def write_json(contents: Any, path: Path) -> None:
    """Write a JSON file in one go."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as partial:
        partial.write_text(json.dumps(contents, ensure_ascii=False), encoding="utf-8")
