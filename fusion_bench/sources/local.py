"""Where the local copy of a model or data set is: its own path, a shipped suite, or below a directory of copies."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from fusion_bench.suites.shipped import shipped_directory

_HUB_ID = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)?")


def local_directory(source: str | Path, root: str | Path | None = None) -> Path | None:
    """``source`` as a directory of this machine; None if it is only a Hub id.

    Looked at in this order: the path itself, the suites shipped with the package, ``root/OWNER/NAME``, ``root/NAME``.

    Raises:
        FileNotFoundError: if ``source`` names a shipped suite that has no such part.
    """
    path = Path(source).expanduser()
    if path.is_dir():
        return path
    return shipped_directory(source) or next((place for place in copies(source, root) if place.is_dir()), None)


def copies(source: str | Path, root: str | Path | None) -> list[Path]:
    """The directories below ``root`` in which a copy of a Hub id may lie, first to last; none for a path."""
    if root is None or not is_hub_id(source):
        return []
    below = Path(root).expanduser()
    return list(dict.fromkeys([below / str(source), below / str(source).rpartition("/")[2]]))


def located(source: Any, root: str | Path | None) -> Any:
    """The path of the copy below ``root`` where ``source`` is a Hub id that has one; else ``source`` as it is."""
    if root is None or not isinstance(source, str | Path) or not is_hub_id(source):
        return source
    found = local_directory(source, root)
    return str(found) if found in copies(source, root) else source


def is_hub_id(source: str | Path) -> bool:
    """Whether ``source`` can be the id of a Hub repository, ``OWNER/NAME`` or ``NAME``."""
    return _HUB_ID.fullmatch(str(source)) is not None
