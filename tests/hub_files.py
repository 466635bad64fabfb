"""A Hub in a directory: what the package asks of the real one, answered from files, with a cache in its layout."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path

from fusion_bench.sources.hub import HubUnreachableError


class FakeHub:
    """Repositories below ``root``, as ``model/OWNER/NAME`` and ``dataset/OWNER/NAME``.

    Args:
        root: where they are.
        cache: where downloads go, one directory a repository.
    """

    def __init__(self, root: Path, cache: Path) -> None:
        self.root, self.cache = root, cache
        self.offline = self.unreachable = False
        self.breaks_after: int | None = None  # files until the connection breaks
        self.downloaded: list[str] = []
        self.asked: list[str] = []

    def is_offline(self) -> bool:
        return self.offline

    def download(self, repository: str, kind: str, patterns: Sequence[str], cache_dir: object) -> Path:
        for name in self._names(repository, kind, patterns):
            target = self._snapshot(repository, kind) / name
            if not target.exists():
                if self.breaks_after == 0:
                    raise HubUnreachableError("the connection broke")
                if self.breaks_after is not None:
                    self.breaks_after -= 1
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(self.root / kind / repository / name, target)
                self.downloaded.append(f"{repository}/{name}")
        return self._snapshot(repository, kind)

    def cached(self, repository: str, kind: str, patterns: Sequence[str], cache_dir: object) -> Path | None:
        snapshot = self._snapshot(repository, kind)
        if not snapshot.is_dir():
            return None
        wanted = _matching(self.root / kind / repository, patterns)
        return snapshot if all((snapshot / name).is_file() for name in wanted) else None

    def file_sizes(self, repository: str, kind: str) -> dict[str, int | None]:
        names = self._names(repository, kind, ["*"])
        return {name: (self.root / kind / repository / name).stat().st_size for name in names}

    def _names(self, repository: str, kind: str, patterns: Sequence[str]) -> list[str]:
        assert not self.offline, "the Hub was asked though HF_HUB_OFFLINE is set"
        self.asked.append(repository)
        if self.unreachable:
            raise HubUnreachableError("no network")
        if not (self.root / kind / repository).is_dir():
            raise FileNotFoundError(f"404: {repository}")
        return _matching(self.root / kind / repository, patterns)

    def _snapshot(self, repository: str, kind: str) -> Path:
        return self.cache / f"{kind}s--{repository.replace('/', '--')}" / "snapshots" / "main"


def _matching(directory: Path, patterns: Sequence[str]) -> list[str]:
    files = [file.relative_to(directory).as_posix() for file in sorted(directory.rglob("*")) if file.is_file()]
    return [name for name in files if any(fnmatch(name, pattern) for pattern in patterns)]
