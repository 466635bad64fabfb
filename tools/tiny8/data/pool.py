"""The pretraining pool: pictures of everything that no task has, with captions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from fusion_bench.utils.files import atomic_path
from tools.tiny8.data import clipart, emoji, icons, scans
from tools.tiny8.data.assign import PRETRAINING, fraction, generator
from tools.tiny8.data.draw import Pixels, enlarge, flatten
from tools.tiny8.data.examples import Captioned
from tools.tiny8.data.progress import progress
from tools.tiny8.data.similar import near_pairs
from tools.tiny8.data.sources import Layout
from tools.tiny8.data.stage import pictures, write_json


def of_emoji(arranged: Sequence[emoji.Emoji]) -> Iterator[Captioned]:
    """Emoji on white and on a pale ground, and some once more for how they are drawn."""
    for one in arranged:
        if one.split != PRETRAINING:
            continue
        said, key = emoji.captions(one), (one.name, one.tone, one.drawn_by)
        source = "emoji tones" if one.tone else "emoji"
        yield Captioned(flatten(one.pixels), said, source, one.group)
        if not one.tone:
            yield Captioned(flatten(one.pixels, icons.pale(generator("ground", *key))), said, source, one.group)
        if fraction("style", *key) < (0.1 if one.tone else 0.5):
            yield Captioned(flatten(one.pixels), emoji.style_captions(one), "style", one.group)


def of_clipart(arranged: Sequence[clipart.ClipArt]) -> Iterator[Captioned]:
    """Clip art of no subject, at most 300 of a directory, and the pretraining share of each subject."""
    counts: Counter[str] = Counter()
    for one in arranged:
        if one.split != PRETRAINING:
            continue
        folder = one.name.rpartition("/")[0]
        counts[folder] += 1
        if one.subject is None and counts[folder] > 300:
            continue
        said = clipart.captions(one)
        yield Captioned(flatten(one.pixels), said, "clip art", one.group)
        if one.subject is not None or counts[folder] <= 100:
            yield Captioned(flatten(one.pixels, icons.pale(generator("ground", one.name))), said, "clip art", one.group)


def of_icons(layout: Layout, others: Pixels) -> Iterator[Captioned]:
    """Icons of all collections; of those in colours, none that looks like one of ``others``, which lie on white."""
    for collection in icons.COLLECTIONS:
        package = layout.icons(collection.name)
        path = layout.decoded / f"icons-{collection.name}.npy"
        drawn = pictures(path, lambda p=package, c=collection: icons.decode_collection(p, c))  # type: ignore[misc]
        kinds = icons.categories(package)
        unwanted: set[int] = set()
        if collection.coloured:
            unwanted = {row for row, _ in near_pairs(flatten(np.stack(list(drawn.values()))), others)}
        source = "colour icons" if collection.coloured else "icons"
        for row, (name, pixels) in enumerate(drawn.items()):
            if row not in unwanted:
                said = icons.captions(name, kinds.get(name, ()), collection.coloured)
                yield Captioned(icons.paint(pixels, collection.coloured, collection.name, name), said, source)


def of_fashion(garments: scans.Scans, rows: Sequence[int]) -> Iterator[Captioned]:
    """A few photographs of garments."""
    for row in rows:
        garment = scans.GARMENTS[garments.labels[row]]
        said = (f"a photo of a {garment}", f"a grayscale picture of a {garment}", f"a {garment}, clothing")
        yield Captioned(enlarge(garments.pixels[row]), said, "fashion")


def distinct(examples: Iterator[Captioned], taken: set[bytes]) -> Iterator[Captioned]:
    """The examples whose pixels are not among ``taken``."""
    return (example for example in examples if example.pixels.tobytes() not in taken)


def without_likes(examples: list[Captioned], others: Pixels, sources: tuple[str, ...]) -> list[Captioned]:
    """The examples, those of ``sources`` only where they look like none of ``others``."""
    rows = [row for row, example in enumerate(examples) if example.source in sources]
    pairs = near_pairs(np.stack([examples[row].pixels for row in rows]), others)
    unwanted = {rows[position] for position, _ in pairs}
    return [example for row, example in enumerate(examples) if row not in unwanted]


def write(examples: Sequence[Captioned], folder: Path) -> None:
    """Write the pool: ``images.npy``, ``captions.json``, ``pairs.json``, ``sources.json``."""
    captions: dict[str, int] = {}
    pairs = [
        [captions.setdefault(caption.lower(), len(captions)) for caption in example.captions]
        for example in progress(examples, "writing the pool")
    ]
    write_json(list(captions), folder / "captions.json")
    write_json([list(dict.fromkeys(row)) for row in pairs], folder / "pairs.json")
    write_json([example.source for example in examples], folder / "sources.json")
    with atomic_path(folder / "images.npy") as partial, partial.open("wb") as file:
        np.save(file, np.stack([example.pixels for example in examples]))
