"""The examples of every task, chosen so that splits have different identities and classes are balanced."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from tools.tiny8.data import rendered, scans
from tools.tiny8.data.assign import SPLITS, TEST, TRAIN, VALIDATION
from tools.tiny8.data.clipart import SUBJECTS
from tools.tiny8.data.collect import SIZES, Sources
from tools.tiny8.data.draw import enlarge, flatten
from tools.tiny8.data.emoji import SETS, Emoji
from tools.tiny8.data.emoji_table import CLASSES
from tools.tiny8.data.examples import Example, balanced
from tools.tiny8.data.families import typefaces
from tools.tiny8.data.similar import near_pairs

_DIGITS_SIZES = {TRAIN: 900, VALIDATION: 250, TEST: 700}
_LARGEST_SUBJECT = 0.16  # computer icons are most of the collection
_WRONG_SUBJECT = r"people/stylized_yoga|computer/icons/people_"  # a picture of an error message; people
Splits: TypeAlias = dict[str, list[Example]]


def _of_emoji(sources: Sources, label: Callable[[Emoji], int], classes: int, name: str) -> Splits:
    own = [one for one in sources.emoji if not one.tone]
    return {
        split: balanced(
            (Example(flatten(one.pixels), label(one), one.group) for one in own if one.split == split),
            SIZES[split],
            classes,
            name,
        )
        for split in SPLITS
    }


def emoji(sources: Sources) -> Splits:
    """Emoji by category."""
    return _of_emoji(sources, lambda one: one.category, len(CLASSES), "emoji")


def style(sources: Sources) -> Splits:
    """Emoji by the set that drew them."""
    return _of_emoji(sources, lambda one: one.drawn_by, len(SETS), "style")


def clipart(sources: Sources) -> Splits:
    """Clip art by subject."""
    found: Splits = {split: [] for split in SPLITS}
    for one in sources.clipart:
        if one.split in found and one.subject is not None and not re.match(_WRONG_SUBJECT, one.name):
            found[one.split].append(Example(flatten(one.pixels), one.subject, one.group))
    found[VALIDATION] = _unlike(found[VALIDATION], found[TEST])
    found[TRAIN] = _unlike(found[TRAIN], found[VALIDATION] + found[TEST])
    return {
        split: balanced(found[split], SIZES[split], len(SUBJECTS), "clipart", largest=_LARGEST_SUBJECT)
        for split in SPLITS
    }


def _unlike(examples: list[Example], others: list[Example]) -> list[Example]:
    """The examples that do not look like one of ``others``."""
    own, theirs = (np.stack([example.pixels for example in found]) for found in (examples, others))
    pairs = near_pairs(own, theirs)
    unwanted = {row for row, _ in pairs}
    return [example for row, example in enumerate(examples) if row not in unwanted]


def letters(sources: Sources) -> Splits:
    """Latin letters."""
    root = sources.layout.root
    faces = typefaces(root, sources.layout.decoded)
    return {split: rendered.letters(faces, root, split, SIZES[split]) for split in SPLITS}


def scripts(sources: Sources) -> Splits:
    """Characters by script."""
    root = sources.layout.root
    faces = typefaces(root, sources.layout.decoded)
    return {split: rendered.scripts(faces, root, split, SIZES[split]) for split in SPLITS}


def fashion(sources: Sources) -> Splits:
    """Garments; the test images are of the official test part."""
    official = scans.fashion(sources.layout.fashion, "t10k")
    seen = {picture.tobytes() for picture in sources.fashion.pixels}
    fresh = scans.first_of_each(official)
    fresh = fresh[[official.pixels[row].tobytes() not in seen for row in fresh]]
    test = scans.deal(fresh, official.labels, {TEST: SIZES[TEST]}, "fashion test")[TEST]
    found = {
        split: [_scan(sources.fashion, row, "train") for row in sources.fashion_rows[split]]
        for split in (TRAIN, VALIDATION)
    }
    return found | {TEST: [_scan(official, row, "t10k") for row in test.tolist()]}


def mnist(_: Sources) -> Splits:
    """Handwritten digits."""
    return _dealt(scans.mnist(), SIZES, "mnist")


def digits(_: Sources) -> Splits:
    """Optical digits."""
    return _dealt(scans.digits(), _DIGITS_SIZES, "digits")


def _dealt(found: scans.Scans, sizes: dict[str, int], name: str) -> Splits:
    parts = scans.deal(scans.first_of_each(found), found.labels, sizes, name)
    return {split: [_scan(found, row, name) for row in rows.tolist()] for split, rows in parts.items()}


def _scan(found: scans.Scans, row: int, part: str) -> Example:
    return Example(enlarge(found.pixels[row]), int(found.labels[row]), f"{part} {row}")


MAKERS: dict[str, Callable[[Sources], Splits]] = {
    "emoji": emoji,
    "style": style,
    "clipart": clipart,
    "letters": letters,
    "scripts": scripts,
    "fashion": fashion,
    "mnist": mnist,
    "digits": digits,
}
