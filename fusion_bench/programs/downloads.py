"""Download everything a run reads from files, and say beforehand what that is, how large, and where it goes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from fusion_bench.programs.inputs import needed_by, needed_by_method, needed_for_training
from fusion_bench.programs.parts import build_part
from fusion_bench.sources.hub import HubUnreachableError
from fusion_bench.sources.needed import Needed
from fusion_bench.utils.configurable import build

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


@dataclass(frozen=True)
class Item:
    """One set of files of a run: who needs it, and where it is if it is on this machine."""

    needed: Needed
    owners: tuple[str, ...]
    directory: Path | None
    size: int | None  # bytes: on this machine, else to download; None where the Hub does not tell


def needed_by_config(config: Mapping[str, Any]) -> list[Needed]:
    """What the run of a composed configuration reads from files; nothing is loaded.

    Args:
        config: has ``modelpool`` and perhaps ``taskpool`` and ``method``, and ``task`` and ``start`` where a model is
            fine-tuned.
    """
    modelpool, taskpool = build(config["modelpool"]), build_part("taskpool", config.get("taskpool"))
    if "task" not in config:
        method = build_part("method", config.get("method"))
        found = needed_by(modelpool, modelpool.all_model_names, taskpool)
        return [*found, *needed_by_method(method, modelpool)]
    return needed_for_training(modelpool, taskpool, config["start"], config["task"])


def list_items(needed: Iterable[Needed]) -> list[Item]:
    """The sets of files, each once, in the order they are first needed; asks the Hub for sizes only.

    Raises:
        FileNotFoundError: if a local directory lacks a file.
    """
    alike: dict[tuple[Any, ...], list[Needed]] = {}
    for part in needed:
        patterns = tuple(choice.patterns for choice in part.choices)
        alike.setdefault((part.kind, part.source, str(part.root), patterns), []).append(part)
    items, online = [], True
    for parts in alike.values():
        sizes: list[int | None] | None = None
        found = parts[0].find()
        if found is not None:
            sizes = [file.stat().st_size for file in found[1]]
        elif online:
            try:
                sizes = parts[0].sizes()
            except HubUnreachableError:
                online = False
        size = None if sizes is None else _sum(sizes)
        items.append(Item(parts[0], tuple(part.owner for part in parts), found[0] if found else None, size))
    return items


def download_items(items: Sequence[Item]) -> list[tuple[Needed, str]]:
    """Download what is not on this machine, with a progress bar; those that could not be, and why.

    One that fails does not keep the others from being downloaded. What an earlier call left incomplete goes on where
    it stopped.
    """
    errors, online = [], True
    missing = [item for item in items if item.directory is None]
    with tqdm(missing, unit="part", disable=not missing) as bar:
        for item in bar:
            bar.set_description(item.needed.source)
            try:
                item.needed.obtain(online=online)
            except FileNotFoundError as error:
                errors.append((item.needed, str(error)))
                online = online and not isinstance(error.__cause__, HubUnreachableError)
    return errors


def format_items(items: Sequence[Item]) -> str:
    """A table: who needs what, how large it is, and where it is or goes; then the total to download."""
    rows = [("size", "from", "for", "place")]
    for item in items:
        place = f"here: {item.directory}" if item.directory else f"download to {item.needed.cache()}"
        rows.append((format_size(item.size), item.needed.source, ", ".join(item.owners), place))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = [
        "  ".join((row[0].rjust(widths[0]), row[1].ljust(widths[1]), row[2].ljust(widths[2]), row[3])) for row in rows
    ]
    missing = [item for item in items if item.directory is None]
    total = format_size(_sum([item.size for item in missing])) if missing else "nothing"
    return "\n".join([*lines, f"to download: {total}" + (f" in {len(missing)} parts" if missing else "")])


def format_size(size: int | None) -> str:
    """A number of bytes for people, ``"1.5 MiB"``; ``"unknown"`` for None."""
    if size is None:
        return "unknown"
    value, unit = float(size), 0
    while value >= 1024 and unit < len(_UNITS) - 1:
        value, unit = value / 1024, unit + 1
    return f"{value:.1f} {_UNITS[unit]}" if unit else f"{size} B"


def _sum(sizes: Sequence[int | None]) -> int | None:
    known = [size for size in sizes if size is not None]
    return sum(known) if len(known) == len(sizes) else None
