"""How a directory holds the images of one split: which layout, and which files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Literal

from fusion_bench.utils.files import read_json

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
CARDS = ("README*", "LICENSE*", "dataset_info*.json", ".*")  # beside the data, in a repository of the Hub
_SHARD = re.compile(r"-(\d+)-of-(\d+)\.parquet$")


@dataclass(frozen=True)
class Layout:
    """The files that hold one split, and what they are."""

    kind: Literal["saved", "parquet", "images", "other"]  # other: whatever the data set library makes of them
    files: list[Path]


def find_layout(root: Path, split: str, name: str | None, origin: str) -> Layout:
    """How ``root`` holds a split.

    Args:
        root: the directory.
        split: which part; ``"test[:100]"`` is in the files of ``"test"``.
        name: the configuration of a data set that has several.
        origin: which data set it is, for error messages.

    Raises:
        FileNotFoundError: if there is nothing, or a shard is missing; says what was looked for and what there is.
    """
    part = split.partition("[")[0]
    if (root / "state.json").is_file():
        return Layout("saved", _below(root))
    if (root / "dataset_dict.json").is_file():
        splits = read_json(root / "dataset_dict.json")["splits"]
        if part not in splits:
            raise FileNotFoundError(f"{origin}: there is no split {part!r} in {root}; it has {splits}")
        return Layout("saved", _below(root / part))
    parquet = parquet_files(root, part, name, origin)
    if parquet:
        return Layout("parquet", parquet)
    images = list(_images(root / split)) or list(_images(root))
    if images:
        return Layout("images", images)
    others = [file for file in _below(root) if not any(fnmatch(file.name, card) for card in CARDS)]
    if others:
        return Layout("other", _below(root))
    raise FileNotFoundError(f"{origin}: {nothing_there(root, split)}")


def parquet_files(root: Path, part: str, name: str | None, origin: str) -> list[Path]:
    """The Parquet files of a split in the first directory that has some; empty where none has.

    Raises:
        FileNotFoundError: if a shard is missing.
    """
    named = (root / name, root / "data" / name) if name else ()
    for folder in (*named, root, root / "data"):
        files = [file for pattern in patterns_of(part) for file in sorted(folder.glob(pattern))]
        shards = [match for file in files if (match := _SHARD.search(file.name))]
        if shards and len(shards) < int(shards[0][2]):
            there = [int(match[1]) for match in shards]
            missing = next(number for number in range(int(shards[0][2])) if number not in there)
            raise FileNotFoundError(
                f"{origin}: {folder} has {len(shards)} of {int(shards[0][2])} shards; number {missing} is missing"
            )
        if files:
            return files
    return []


def hub_patterns(part: str, name: str | None, data_dir: str | None) -> tuple[str, ...]:
    """Where in a Hub repository the Parquet files of a split lie."""
    folders = [f"{data_dir}/"] if data_dir else [""]
    folders = [below for folder in folders for below in (folder, f"{folder}data/")]
    folders += [f"{folder}{name}/" for folder in folders] if name else []
    return tuple(f"{folder}{pattern}" for folder in folders for pattern in patterns_of(part))


def patterns_of(part: str) -> tuple[str, str]:
    """The names of the Parquet files of a split."""
    return f"{part}.parquet", f"{part}-*.parquet"


def nothing_there(root: Path, split: str) -> str:
    """What was looked for in a directory without the split, and what it holds."""
    part = split.partition("[")[0]
    there = sorted(entry.name for entry in root.iterdir())[:10] if root.is_dir() else "no such directory"
    return (
        f"{root} holds no data for that split; looked for dataset_dict.json, state.json, {part}.parquet, "
        f"{part}-*.parquet (also below data/) and images in {split}/<class>/ or <class>/; there is {there}"
    )


def _images(root: Path) -> Iterator[Path]:
    """The images in the folders of ``root``, in the order of the names."""
    for folder in sorted(root.iterdir()) if root.is_dir() else ():
        if folder.is_dir():
            yield from (file for file in sorted(folder.iterdir()) if file.suffix.lower() in IMAGE_SUFFIXES)


def _below(root: Path) -> list[Path]:
    """Every file in ``root`` and below, without hidden ones."""
    files = (file for file in sorted(root.rglob("*")) if file.is_file()) if root.is_dir() else ()
    return [file for file in files if not any(part.startswith(".") for part in file.relative_to(root).parts)]
