"""Emoji of four sets: which pictures there are, what they show, and which may not be parted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from tools.tiny8.data.assign import PRETRAINING, TEST, TRAIN, VALIDATION, side
from tools.tiny8.data.draw import Pixels, fit, flatten
from tools.tiny8.data.emoji_table import Entry, base_name, entries, fluent_name
from tools.tiny8.data.progress import progress
from tools.tiny8.data.similar import Groups, near_pairs
from tools.tiny8.data.svg import Icon, icons
from tools.tiny8.data.svg import decode as decode_svg

SETS = ("noto", "twemoji", "openmoji", "fluent")
_SHARES = {PRETRAINING: 0.40, TRAIN: 0.33, VALIDATION: 0.08, TEST: 0.19}


@dataclass(frozen=True)
class Emoji:
    """One picture of an emoji: what it shows, who drew it, and where it belongs."""

    pixels: Pixels  # (32, 32, 4)
    name: str
    tone: str  # "" or the name of a skin tone
    drawn_by: int  # index of SETS
    category: int  # index of CLASSES
    subcategory: str
    keywords: tuple[str, ...]
    group: str  # the emoji that may not be parted
    split: str


def decode(google: Path, twitter: Path, openmoji: Path, fluent: Path) -> dict[str, Pixels]:
    """Every picture that a set has of an emoji or its skin tones, by ``set / name / tone``."""
    table = entries(google, openmoji)
    found: dict[str, Pixels] = {}
    for name, folder in (("noto", google / "img" / "google" / "64"), ("twemoji", twitter / "img" / "twitter" / "64")):
        for entry in progress(table, name):
            path = folder / entry.image
            if path.is_file():
                with Image.open(path) as image:
                    found[f"{name} / {entry.key}"] = fit(image)
    bodies = {icon.name: icon.svg for icon in icons(fluent)}
    drawings: dict[str, list[Icon]] = {"openmoji": [], "fluent": []}
    for entry in table:
        files = (openmoji / "color" / "svg" / f"{code}.svg" for code in entry.codes)
        file = next((path for path in files if path.is_file()), None)
        if file is not None:
            drawings["openmoji"].append(Icon(entry.key, file.read_text(encoding="utf-8")))
        if fluent_name(entry) in bodies:
            drawings["fluent"].append(Icon(entry.key, bodies[fluent_name(entry)]))
    for name, drawn in drawings.items():
        found |= {f"{name} / {key}": pixels for key, pixels in decode_svg(drawn, name).items()}
    return found


def _groups(table: list[Entry], pictures: dict[str, Pixels]) -> Groups:
    """Emoji joined by base name, or because a set draws them alike."""
    names = sorted({entry.base for entry in table})
    groups = Groups(names)
    groups.join_by([base_name(name) for name in names], names)
    for drawn_by in SETS:
        keys = [name for name in names if f"{drawn_by} / {name}" in pictures]
        white = flatten(np.stack([pictures[f"{drawn_by} / {name}"] for name in keys]))
        for row, column in near_pairs(white, white, bits=4, distance=5):
            groups.join(keys[row], keys[column])
    return groups


def arrange(google: Path, openmoji: Path, pictures: dict[str, Pixels]) -> list[Emoji]:
    """Every picture with what it shows and its side, which all variants of an emoji share."""
    table = entries(google, openmoji)
    groups = _groups(table, pictures)
    arranged = []
    for entry in table:
        group = groups.find(entry.base)
        split = side(_SHARES, "emoji", group)
        for index, drawn_by in enumerate(SETS):
            pixels = pictures.get(f"{drawn_by} / {entry.key}")
            if pixels is not None:
                about = (entry.category, entry.subcategory, entry.keywords)
                arranged.append(Emoji(pixels, entry.name, entry.tone, index, *about, group, split))
    return arranged


def captions(emoji: Emoji) -> tuple[str, ...]:
    """What can be said of a picture. Not its category: that is for the task to teach."""
    name = f"{emoji.name}, {emoji.tone}" if emoji.tone else emoji.name
    name = name.replace("flag: ", "flag of ").replace("keycap: ", "keycap ")
    found = [f"an emoji of {name}", name, f"an icon of {name}, {emoji.subcategory}"]
    found += [f"an emoji of {keyword}" for keyword in emoji.keywords[:6]]
    return tuple(found)


def style_captions(emoji: Emoji) -> tuple[str, ...]:
    """What can be said of how a picture is drawn."""
    drawn_by = SETS[emoji.drawn_by]
    return (f"an emoji in {drawn_by} style", f"a {drawn_by} emoji of {emoji.name}", f"a {drawn_by} emoji")
