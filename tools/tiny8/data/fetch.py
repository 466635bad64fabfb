"""Downloads of the pinned packages, unpacked below the cache directory without installing anything."""

from __future__ import annotations

import logging
import shutil
import subprocess
import tarfile
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from fusion_bench.utils.files import atomic_directory
from tools.tiny8.data.progress import progress
from tools.tiny8.data.sources import (
    NPM_PACKAGES,
    PICTURE_PACKAGES,
    PYTHON_PACKAGES,
    Layout,
    font_packages,
    npm_stem,
)

log = logging.getLogger(__name__)
_AT_ONCE = 40  # packages asked for in one call of apt-get


class SourceError(RuntimeError):
    """A package that cannot be had, or not in the version wanted."""


def check_python() -> None:
    """Make sure of the Python packages that draw and decode, whose versions the bytes depend on.

    Raises:
        SourceError: one is missing or has another version.
    """
    wrong = [_python_complaint(name, wanted) for name, wanted in PYTHON_PACKAGES.items()]
    if any(wrong):
        raise SourceError(f"{'; '.join(filter(None, wrong))}: pip install -c constraints.txt -e '.[tiny8]'")


def _python_complaint(name: str, wanted: str) -> str:
    try:
        found = version(name)
    except PackageNotFoundError:
        return f"Python package {name} {wanted} is not installed"
    return "" if found == wanted else f"Python package {name} is {found}, the data were made with {wanted}"


def fetch(layout: Layout) -> None:
    """Have every package downloaded and unpacked; what is there already is not asked for again.

    Raises:
        SourceError: a package cannot be had in its version.
    """
    check_python()
    layout.downloads.mkdir(parents=True, exist_ok=True)
    _fetch_debian(PICTURE_PACKAGES | font_packages(), layout)
    for name in progress(list(NPM_PACKAGES), "npm packages"):
        _fetch_npm(name, layout)


def deb_pattern(name: str, wanted: str) -> str:
    """The file name of a Debian package but for its architecture."""
    return f"{name}_{wanted.replace(':', '%3a')}_*.deb"


def _fetch_debian(packages: Mapping[str, str], layout: Layout) -> None:
    done = layout.root / ".unpacked"
    listed = "".join(f"{name} {wanted}\n" for name, wanted in sorted(packages.items()))
    if done.is_file() and done.read_text(encoding="utf-8") == listed:
        return
    missing = [f"{name}={wanted}" for name, wanted in packages.items() if not _deb(name, wanted, layout)]
    starts = range(0, len(missing), _AT_ONCE)
    for start in progress(starts, "Debian packages, by forties"):
        _run(["apt-get", "download", *missing[start : start + _AT_ONCE]], layout.downloads)
    for name, wanted in progress(list(packages.items()), "unpacking"):
        archive = _deb(name, wanted, layout)
        if archive is None:
            raise SourceError(f"Debian package {name} {wanted} did not arrive in {layout.downloads}")
        _run(["dpkg-deb", "-x", str(archive), str(layout.root)], layout.downloads)
    done.write_text(listed, encoding="utf-8")


def _deb(name: str, wanted: str, layout: Layout) -> Path | None:
    return next(iter(sorted(layout.downloads.glob(deb_pattern(name, wanted)))), None)


def _fetch_npm(name: str, layout: Layout) -> None:
    folder = layout.cache / "npm" / npm_stem(name)
    if (folder / "package").is_dir():
        return
    archive = layout.downloads / f"{npm_stem(name)}.tgz"
    if not archive.is_file():
        _run(["npm", "pack", "--silent", f"{name}@{NPM_PACKAGES[name]}"], layout.downloads)
    if not archive.is_file():
        raise SourceError(f"npm package {name} {NPM_PACKAGES[name]} did not arrive as {archive}")
    with atomic_directory(folder) as partial, tarfile.open(archive) as packed:
        packed.extractall(partial, filter="data")


def _run(command: list[str], folder: Path) -> None:
    if shutil.which(command[0]) is None:
        raise SourceError(f"{command[0]} is needed to get the packages and is not installed")
    log.info("running %s ... in %s", " ".join(command[:4]), folder)
    outcome = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if outcome.returncode:
        advice = " (is that version still offered? run 'apt-get update' as root)" if command[0] == "apt-get" else ""
        raise SourceError(f"{' '.join(command[:6])} failed{advice}: {outcome.stderr.strip()[-600:]}")
