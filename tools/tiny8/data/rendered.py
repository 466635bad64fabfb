"""The tasks that are made by drawing characters."""

from __future__ import annotations

import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.tiny8.data.alphabets import SCRIPTS
from tools.tiny8.data.assign import generator
from tools.tiny8.data.draw import Pixels
from tools.tiny8.data.examples import Example, balanced
from tools.tiny8.data.families import Typeface
from tools.tiny8.data.glyphs import HARD, MILD, Look, render
from tools.tiny8.data.progress import progress
from tools.tiny8.data.shapes import mask


@dataclass(frozen=True)
class Drawing:
    """A character of a typeface that can be drawn as an example of a class."""

    label: int
    identity: str
    character: str
    typeface: Typeface


def picture(typeface: Typeface, root: Path, character: str, look: Look, *key: object) -> Pixels | None:
    """The character as the look has it, None where the font has no such drawing."""
    drawn = mask(typeface.path(root), character)
    if drawn is None:
        return None
    return render(drawn, look, generator("glyph", typeface.face.path, character, *key))


def letters(typefaces: Sequence[Typeface], root: Path, split: str, size: int) -> list[Example]:
    """About ``size`` Latin letters of one split, drawn in many ways.

    Capital i and small l are left out: many fonts draw the same stroke for both.
    """
    classes = {letter: letter + letter.upper() for letter in string.ascii_lowercase} | {"i": "i", "l": "L"}
    own = [(typeface, tuple(classes)) for typeface in typefaces if typeface.split == split]
    return _draw(_drawings(own, classes), size, len(classes), root, HARD, "letters", split)


def scripts(typefaces: Sequence[Typeface], root: Path, split: str, size: int) -> list[Example]:
    """About ``size`` characters of the fourteen scripts of one split."""
    own = [(typeface, typeface.scripts) for typeface in typefaces if typeface.split == split]
    return _draw(_drawings(own, SCRIPTS), size, len(SCRIPTS), root, MILD, "scripts", split)


def _drawings(typefaces: Sequence[tuple[Typeface, tuple[str, ...]]], classes: dict[str, str]) -> Iterator[Drawing]:
    """Every character of the classes named beside each typeface."""
    for typeface, names in typefaces:
        for label, (name, characters) in enumerate(classes.items()):
            if name in names:
                for character in drawable(typeface, characters):
                    yield Drawing(label, typeface.family, character, typeface)


def _draw(drawings: Iterator[Drawing], size: int, classes: int, root: Path, look: Look, *key: object) -> list[Example]:
    """A balanced choice of the drawings, drawn; those that the font only claims to have are left out."""
    found = []
    for one in progress(balanced(drawings, size, classes, *key), " ".join(map(str, key))):
        pixels = picture(one.typeface, root, one.character, look, "task", one.label)
        if pixels is not None:
            found.append(Example(pixels, one.label, one.identity))
    return found


def drawable(typeface: Typeface, characters: str) -> str:
    """Those of the characters that the typeface has, and that can be read if they are Latin."""
    available = set(typeface.face.characters)
    read = set(typeface.latin)
    return "".join(sign for sign in characters if sign in available and (not sign.isascii() or sign in read))
