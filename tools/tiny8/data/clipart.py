"""The Open Clip Art collection: what its directories and file names say, and which pictures go where."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from tools.tiny8.data.assign import PRETRAINING, TEST, TRAIN, VALIDATION, side
from tools.tiny8.data.draw import Pixels, fit, flatten
from tools.tiny8.data.progress import progress
from tools.tiny8.data.similar import Groups, near_pairs

_SHARES = {PRETRAINING: 0.19, TRAIN: 0.42, VALIDATION: 0.10, TEST: 0.29}
_AUTHORS = (
    r"architetto|francesco|archit|rollandin|ganson|bonz?|nicu|buculei|anonymous|jonathon|sherwood|gerald|ryanlerch"
)
_SUBJECT_DIRECTORIES = {
    "animal": ("animals",),
    "food": ("food",),
    "flag": ("signs_and_symbols/flags",),
    "person": ("people",),
    "plant": ("plants",),
    "vehicle": ("transportation/vehicles", "transportation/boating"),
    "road sign": ("transportation/roadsigns", "signs_and_symbols/hazard"),
    "arrow": ("shapes/arrows",),
    "map symbol": ("signs_and_symbols/map_symbols",),
    "building or furniture": ("buildings",),
    "computer icon": ("computer/icons",),
    "tool or weapon": ("tools",),
    "game or sport": ("recreation/games", "recreation/sports"),
    "religious or holiday symbol": ("recreation/religion", "recreation/holiday"),
}
SUBJECTS = tuple(_SUBJECT_DIRECTORIES)


@dataclass(frozen=True)
class ClipArt:
    """One picture of the collection, its subject if it has one of the fourteen, and where it belongs."""

    name: str  # path below the collection
    pixels: Pixels  # (32, 32, 4)
    subject: int | None
    group: str  # the pictures that may not be parted
    split: str


def subject_of(name: str) -> int | None:
    """The index of the subject whose directories hold the file, if any."""
    for index, directories in enumerate(_SUBJECT_DIRECTORIES.values()):
        if any(name.startswith(f"{directory}/") for directory in directories):
            return index
    return None


def words(name: str) -> str:
    """What the file name says in words: no numbers, no names of authors."""
    stem = re.sub(r"[_\-.]+|(?<=[a-z])(?=[A-Z])", " ", PurePosixPath(name).stem)
    text = re.sub(rf"\b({_AUTHORS})\w*\b|\d+|\b\w\b", " ", stem.lower())
    return " ".join(text.split())[:60]


def stem(name: str) -> str:
    """What variants of a drawing share in their file names: all but numbers, or but a last number of two."""
    file = PurePosixPath(name).stem.lower()
    shorter = re.sub(r"[_-]\d+$", "", file)
    if shorter != file and re.search(r"\d$", shorter):
        return shorter
    return words(name) or name


def decode(root: Path) -> dict[str, Pixels]:
    """Every readable picture below ``root`` as (32, 32, 4), by its path."""
    found: dict[str, Pixels] = {}
    for path in progress(sorted(root.rglob("*.png")), "clip art"):
        try:
            with Image.open(path) as image:
                found[path.relative_to(root).as_posix()] = fit(image)
        except (OSError, SyntaxError, Image.DecompressionBombError):
            continue  # a few files of the collection are broken
    return found


def _groups(pictures: dict[str, Pixels]) -> Groups:
    """Pictures joined by file-name stem or by looking alike."""
    names = list(pictures)
    groups = Groups(names)
    groups.join_by([stem(name) for name in names], names)
    white = flatten(np.stack(list(pictures.values())))
    for row, column in near_pairs(white, white, bits=4, distance=6):
        groups.join(names[row], names[column])
    return groups


def arrange(pictures: dict[str, Pixels]) -> list[ClipArt]:
    """Every picture once, exact doubles dropped; a group falls on one side, one without a subject on pretraining."""
    pictures = {name: pictures[name] for name in sorted(pictures)}
    groups = _groups(pictures)
    wanted = {groups.find(name) for name in pictures if subject_of(name) is not None}
    seen: set[bytes] = set()
    arranged = []
    for name, pixels in pictures.items():
        content = flatten(pixels).tobytes()
        if content in seen:
            continue
        seen.add(content)
        group = groups.find(name)
        split = side(_SHARES, "clipart", group) if group in wanted else PRETRAINING
        arranged.append(ClipArt(name, pixels, subject_of(name), group, split))
    return arranged


def captions(picture: ClipArt) -> tuple[str, ...]:
    """What can be said of a picture."""
    parts = [part.replace("_", " ") for part in PurePosixPath(picture.name).parent.parts]
    said = words(picture.name) or parts[-1]
    found = [f"clip art of {said}", f"a drawing of {said}", f"{said}, {', '.join(reversed(parts))}", said]
    if picture.subject is not None:
        subject = SUBJECTS[picture.subject]
        found += [f"clip art of a {subject}", f"a drawing of a {subject}, {said}"]
    return tuple(dict.fromkeys(found))
