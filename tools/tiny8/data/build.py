"""The whole build: fetch, decode, pretraining pool, tasks, checks."""

from __future__ import annotations

import logging
from pathlib import Path

from fusion_bench.utils.files import atomic_path
from tools.tiny8.data import collect, parquet, pool
from tools.tiny8.data.assign import SPLITS
from tools.tiny8.data.cards import card
from tools.tiny8.data.check import check_identities, check_images, check_pool, distinct
from tools.tiny8.data.examples import Captioned
from tools.tiny8.data.fetch import fetch
from tools.tiny8.data.labelled import MAKERS, Splits
from tools.tiny8.data.licences import font_table
from tools.tiny8.data.sources import Layout
from tools.tiny8.data.tasks import TASKS

log = logging.getLogger(__name__)
LARGEST = 19_000_000  # bytes of all Parquet files together


def build(cache: Path, out: Path, pool_folder: Path) -> None:
    """Make the eight tasks in ``out`` and the pretraining pool in ``pool_folder``.

    Raises:
        SourceError: a package cannot be had in its version.
        LeakError: something would be on two sides.
        ValueError: the Parquet files would be too large.
    """
    layout = Layout(cache)
    fetch(layout)
    sources = collect.read(layout)
    tasks = {task.name: distinct(MAKERS[task.name](sources)) for task in TASKS}
    check_identities(tasks)
    for name, splits in tasks.items():
        check_images(splits, name)
    taken = {example.pixels.tobytes() for splits in tasks.values() for found in splits.values() for example in found}
    examples = [one for one in collect.pretraining(sources) if one.pixels.tobytes() not in taken]
    _write_tasks(tasks, out, layout)
    _write_pool(examples, tasks, pool_folder)
    log.info("wrote %d bytes of Parquet to %s, %d pictures to %s", size(out), out, len(examples), pool_folder)
    if size(out) > LARGEST:
        raise ValueError(f"the Parquet files in {out} have {size(out)} bytes, at most {LARGEST} are allowed")


def _write_tasks(tasks: dict[str, Splits], out: Path, layout: Layout) -> None:
    for task in TASKS:
        for split in SPLITS:
            parquet.write(tasks[task.name][split], task.classes, out / task.name / f"{split}.parquet")
        _write_text(card(task, tasks[task.name]), out / task.name / "README.md")
    head = "# Fonts\n\nThe packages whose fonts drew the pictures of `letters` and `scripts`; no font is contained.\n\n"
    _write_text(f"{head}{font_table(layout.root)}\n", out / "FONTS.md")


def _write_pool(examples: list[Captioned], tasks: dict[str, Splits], folder: Path) -> None:
    check_pool(examples, tasks)
    pool.write(examples, folder)


def _write_text(text: str, path: Path) -> None:
    with atomic_path(path) as partial:
        partial.write_text(text, encoding="utf-8")


def size(out: Path) -> int:
    """The bytes of all Parquet files below ``out``."""
    return sum(path.stat().st_size for path in out.rglob("*.parquet"))
