"""The pretraining pictures that are made by drawing characters."""

from __future__ import annotations

import string
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path

from tools.tiny8.data.alphabets import ALL_SCRIPTS, DIGIT_NAMES, DIGITS, PUNCTUATION, SCRIPTS
from tools.tiny8.data.assign import PRETRAINING, fraction, shuffled
from tools.tiny8.data.examples import Captioned
from tools.tiny8.data.families import Typeface
from tools.tiny8.data.fonts import traits
from tools.tiny8.data.glyphs import CLEAN, MILD, PLAIN, VARIED
from tools.tiny8.data.progress import progress
from tools.tiny8.data.rendered import drawable, picture

_OF_A_SCRIPT = {True: 900, False: 260}  # pretraining pictures of a script of the task, of another


def pretraining(typefaces: Sequence[Typeface], root: Path) -> Iterator[Captioned]:
    """All pretraining pictures of characters."""
    own = [typeface for typeface in typefaces if typeface.split == PRETRAINING]
    for typeface in progress(own, "letters and digits for pretraining"):
        yield from _letters(typeface, root)
        yield from _digits(typeface, root)
        yield from _signs(typeface, root)
    for script in progress(list(ALL_SCRIPTS), "scripts for pretraining"):
        yield from _script(script, own, root)


def _letters(typeface: Typeface, root: Path) -> Iterator[Captioned]:
    look = " ".join(traits(typeface.face))
    for character in typeface.latin:
        if character not in string.ascii_letters:
            continue
        kind, letter = ("small" if character.islower() else "capital"), character.lower()
        said = (f"latin {kind} letter {letter}", f"the latin letter {letter}", f"letter {letter}", "a latin letter")
        styled = (f"{look} latin {kind} letter {letter}", f"a {look} letter {letter}") if look else ()
        for variant, style in enumerate((CLEAN, VARIED)):
            if fraction("letter", typeface.face.path, character, variant) < (0.95, 0.5)[variant]:
                pixels = picture(typeface, root, character, style, variant)
                if pixels is not None:
                    yield Captioned(pixels, said + styled, "letters", typeface.family)


def _digits(typeface: Typeface, root: Path) -> Iterator[Captioned]:
    look = traits(typeface.face)
    plain = 4 if "handwritten" in look else 2
    for character in typeface.latin:
        if character not in DIGITS:
            continue
        digit = DIGIT_NAMES[int(character)]
        made = "handwritten" if "handwritten" in look else "printed"
        said = (f"the digit {digit}", f"a digit {digit}", f"a picture of the number {digit}", f"digit {digit}")
        said_too = (*said, f"a {made} digit {digit}")
        for variant, style in enumerate((VARIED, *[PLAIN] * plain)):
            pixels = picture(typeface, root, character, style, variant)
            if pixels is not None:
                yield Captioned(pixels, said_too, "digits", typeface.family)


def _signs(typeface: Typeface, root: Path) -> Iterator[Captioned]:
    for character in PUNCTUATION:
        if typeface.latin and character in typeface.face.characters and fraction(typeface.face.path, character) < 0.08:
            pixels = picture(typeface, root, character, VARIED)
            if pixels is not None:
                name = unicodedata.name(character).lower()
                yield Captioned(
                    pixels, (name, f"the sign {name}", "a punctuation mark or sign"), "signs", typeface.family
                )


def _script(script: str, typefaces: Sequence[Typeface], root: Path) -> Iterator[Captioned]:
    """Characters of a script, its families in turns."""
    families: dict[str, list[str]] = {}
    drawings: dict[str, tuple[str, Typeface]] = {}
    for typeface in typefaces:
        if script in typeface.scripts:
            for character in drawable(typeface, ALL_SCRIPTS[script]):
                key = f"{character}|{typeface.face.path}"
                drawings[key] = (character, typeface)
                families.setdefault(typeface.family, []).append(key)
    wanted = _OF_A_SCRIPT[script in SCRIPTS] // max(1, len(families))
    for keys in families.values():
        for turn in range(1 + (script in SCRIPTS)):
            for key in shuffled(keys, script)[: max(4, wanted // (1 + (script in SCRIPTS)))]:
                character, typeface = drawings[key]
                pixels = picture(typeface, root, character, (MILD, VARIED)[turn], script)
                if pixels is not None:
                    said = _said(script, character, traits(typeface.face))
                    yield Captioned(pixels, said, "scripts", typeface.family)


def _said(script: str, character: str, look: tuple[str, ...]) -> tuple[str, ...]:
    article = "an" if script[0] in "aeiou" else "a"
    name = unicodedata.name(character, "").lower()
    found = [f"{article} {script} letter", f"a character of the {script} script", f"the {script} alphabet"]
    found += [f"{article} {script} character, {name}", name] if name and "ideograph" not in name else []
    found += [f"a {' '.join(look)} {script} character"] if look else []
    return tuple(found)
