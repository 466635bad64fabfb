"""One side for each font family, used by everything that is made of characters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.tiny8.data.alphabets import ALL_SCRIPTS, LATIN, SCRIPTS
from tools.tiny8.data.assign import PRETRAINING, TEST, TRAIN, VALIDATION, number, shuffled
from tools.tiny8.data.fonts import Face, index
from tools.tiny8.data.shapes import Shapes, draw_all, families, legible
from tools.tiny8.data.stage import pictures

LEFT_OUT = "left out"
_SHARES = {TRAIN: 0.34, PRETRAINING: 0.34, TEST: 0.21, VALIDATION: 0.11}
_FACES_OF_A_KIN = 3
_COVERED = 0.7  # of a script's characters, for a font to count as one of the script


@dataclass(frozen=True)
class Typeface:
    """A font file with its family and the side that the family falls on."""

    face: Face
    family: str
    split: str
    scripts: tuple[str, ...]
    latin: str  # its legible Latin letters and digits

    def path(self, root: Path) -> Path:
        """The font file."""
        return root / self.face.path


def allot(members: Mapping[str, Sequence[str]], shares: Mapping[str, float]) -> dict[str, str]:
    """A side for each family such that each script has families on every side in about the shares wanted.

    The scripts with the fewest families choose first; each family that has no side yet
    goes to the side that lacks most, the side named first among equals.

    Args:
        members: the families of each script.
        shares: the wanted share of each side.
    """
    sides: dict[str, str] = {}
    for script in sorted(members, key=lambda script: (len(members[script]), script)):
        names = sorted(set(members[script]))
        counts = dict.fromkeys(shares, 0)
        for name in names:
            if name in sides:
                counts[sides[name]] += 1
        for name in shuffled((name for name in names if name not in sides), "family", script):
            lacking = max(shares, key=lambda side: shares[side] * len(names) - counts[side])
            sides[name] = lacking
            counts[lacking] += 1
    return sides


def choose(faces: Sequence[Face], *salt: object) -> list[Face]:
    """A few faces of each kin, by an order that depends on their paths and ``salt``."""
    by_kin: dict[str, list[Face]] = {}
    for face in faces:
        by_kin.setdefault(face.kin, []).append(face)
    chosen = []
    for kin in sorted(by_kin):
        chosen += sorted(by_kin[kin], key=lambda face: number(*salt, face.path))[:_FACES_OF_A_KIN]
    return chosen


def scripts_of(face: Face) -> tuple[str, ...]:
    """The scripts that a face has most characters of."""
    available = set(face.characters)
    return tuple(
        script
        for script, characters in ALL_SCRIPTS.items()
        if sum(character in available for character in characters) > _COVERED * len(characters)
    )


def without_likes(sides: Mapping[str, str], alike: Sequence[Sequence[str]]) -> dict[str, str]:
    """``sides`` with those families on no side that are like one on another side.

    Of families that are alike, those of pretraining keep their side, or else those of test, or of validation.

    Args:
        sides: the side of each family.
        alike: groups of families that draw characters the same.
    """
    kept = dict(sides)
    for group in alike:
        found = {sides[family] for family in group}
        keeper = next(side for side in (PRETRAINING, TEST, VALIDATION, TRAIN) if side in found)
        kept |= {family: LEFT_OUT for family in group if sides[family] != keeper}
    return kept


def _families(faces: Sequence[Face], sample: Sequence[Face], shapes: Shapes) -> dict[str, str]:
    """The family of each face's path, named by a path, of which the sample alone is compared by its shapes."""
    paths = {face.path for face in sample}
    return families(faces, {key: drawn for key, drawn in shapes.items() if key.partition("|")[0] in paths})


def _alike(faces: Sequence[Face], shapes: Shapes, family: Mapping[str, str]) -> list[list[str]]:
    """The families that all faces, compared by their shapes, show to be the same."""
    joined: dict[str, dict[str, None]] = {}
    for path, group in families(faces, shapes).items():
        joined.setdefault(group, {})[family[path]] = None
    return [list(group) for group in joined.values()]


def typefaces(root: Path, cache: Path) -> list[Typeface]:
    """The fonts below ``root`` that are used, each with its side.

    Sides are given to families by what a sample of the faces shows; a family that is found to be like one on another
    side when all are compared is left out. A face outside the sample is not used for Latin letters and digits.
    """
    everything = index(root, cache / "fonts.json")
    faces = choose(everything, "face")
    in_sample = {face.path for face in choose(everything)}
    sample = [face for face in faces if face.path in in_sample]
    shapes = pictures(cache / "shapes.npy", lambda: draw_all(faces, root))
    good = legible(sample, shapes)
    family = _families(faces, sample, shapes)
    scripts = {face.path: scripts_of(face) for face in faces}
    latin = {face.path: "".join(sign for sign in LATIN if f"{face.path}|{sign}" in good) for face in faces}
    members: dict[str, list[str]] = {script: [] for script in SCRIPTS}
    for face in faces:
        for script in scripts[face.path]:
            if script in members and (script != "latin" or latin[face.path]):
                members[script].append(family[face.path])
    sides = dict.fromkeys(family.values(), PRETRAINING) | allot(members, _SHARES)
    sides = without_likes(sides, _alike(faces, shapes, family))
    names = {face.path: face.kin for face in faces}
    return [
        Typeface(face, names[family[face.path]], sides[family[face.path]], scripts[face.path], latin[face.path])
        for face in faces
    ]
