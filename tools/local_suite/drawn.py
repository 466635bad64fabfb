"""Drawn texts: letters in many fonts, typefaces of Cyrillic words, and captioned glyphs for the pretraining."""

from __future__ import annotations

import string
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from tools.local_suite.glyphs import Font, render
from tools.local_suite.images import Captioned, Images, Splits
from tools.local_suite.suite import SPLITS, prompts, tasks

T = TypeVar("T")

SIZES = {"train": 3000, "validation": 500, "test": 1000}
CYRILLIC = "абвгдежзийклмнопрстуфхцчшщъыьэюя"
GREEK = "αβγδεζηθικλμνξοπρστυφχψω"

_SANS = ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSans-BoldOblique")
_SERIF = ("DejaVuSerif", "DejaVuSerif-Bold", "DejaVuSerif-Italic", "DejaVuSerif-BoldItalic")
_MONOSPACE = ("DejaVuSansMono", "DejaVuSansMono-Bold", "DejaVuSansMono-Oblique", "DejaVuSansMono-BoldOblique")
_STIX = ("STIXGeneral", "STIXGeneralBol", "STIXGeneralItalic", "STIXGeneralBolIta")
_COMPUTER_MODERN = ("cmr10", "cmb10", "cmti10", "cmmi10")

CAPTIONED_LETTER_FONTS = tuple(map(Font, (*_SANS, "cmss10", "cmtt10")))
LETTER_FONTS = {
    "train": tuple(map(Font, (*_SERIF, *_COMPUTER_MODERN, *_MONOSPACE))),
    "validation": (Font("STIXGeneral", 0x1D5A0), Font("STIXGeneral", 0x1D670)),  # its sans-serif and its typewriter
    "test": tuple(map(Font, _STIX)),
}
DIGIT_FONTS = tuple(map(Font, (*_SANS, *_SERIF, *_MONOSPACE, *_STIX, *_COMPUTER_MODERN[:3], "cmss10", "cmtt10")))
FAMILIES = {"sans": (_SANS,), "serif": (_SERIF, _STIX), "monospace": (_MONOSPACE,)}
WEIGHTS = ("regular", "bold", "italic", "bold italic")  # in the order in which the families above have them


def drawn_tasks(seed: int) -> dict[str, Splits]:
    """The tasks ``letters``, split by font family, and ``style``, split by the letters that are drawn."""
    rng = np.random.default_rng([seed, 1])
    letters = {split: _letters(LETTER_FONTS[split], SIZES[split], rng) for split in SPLITS}
    style = {split: _typefaces(alphabet, SIZES[split], rng) for split, alphabet in cyrillic_letters(rng).items()}
    return {"letters": letters, "style": style}


def cyrillic_letters(rng: np.random.Generator) -> dict[str, str]:
    """The letters of each split of the task ``style``."""
    shuffled = "".join(rng.permutation(list(CYRILLIC)))
    train, validation = 18, 22
    return dict(zip(SPLITS, (shuffled[:train], shuffled[train:validation], shuffled[validation:]), strict=True))


def captioned_drawings(seed: int) -> list[Captioned]:
    """Letters in fonts of their own, digits of all fonts and Greek typefaces, with captions."""
    rng = np.random.default_rng([seed, 2])
    letters = _letters(CAPTIONED_LETTER_FONTS, 3000, rng)
    style = _typefaces(GREEK, 2400, rng)
    digits = _digits(2000, rng)
    return [_caption(task, images) for task, images in (("letters", letters), ("style", style), ("digits", digits))]


def _letters(fonts: Sequence[Font], count: int, rng: np.random.Generator) -> Images:
    labels = np.arange(count) % len(string.ascii_uppercase)
    alphabets = (string.ascii_uppercase, string.ascii_lowercase)
    texts = [_choose(alphabets, rng)[label] for label in labels]
    return Images(np.stack([render(text, _choose(fonts, rng), rng) for text in texts]), labels)


def _digits(count: int, rng: np.random.Generator) -> Images:
    labels = np.arange(count) % 10
    drawn = [render(str(label), _choose(DIGIT_FONTS, rng), rng) for label in labels]
    return Images(np.stack(drawn), labels)


def _typefaces(alphabet: str, count: int, rng: np.random.Generator) -> Images:
    """Two letters of ``alphabet`` in each image, small or capital."""
    classes = tasks()["style"].classnames
    labels = np.arange(count) % len(classes)
    fonts = [style_fonts(name) for name in classes]
    drawn = []
    for label in labels:
        text = "".join(rng.choice(list(alphabet), size=2))
        drawn.append(render(_choose((text, text.upper()), rng), _choose(fonts[label], rng), rng))
    return Images(np.stack(drawn), labels)


def _choose(options: Sequence[T], rng: np.random.Generator) -> T:
    return options[int(rng.integers(len(options)))]


def style_fonts(name: str) -> list[Font]:
    """The fonts of a class of the task ``style``, such as ``"bold italic serif"``."""
    weight, family = name.rsplit(" ", 1)
    return [Font(fonts[WEIGHTS.index(weight)]) for fonts in FAMILIES[family]]


def _caption(task: str, images: Images) -> Captioned:
    names = tasks()[task]
    return Captioned(task, images.pixels, tuple(prompts(names, label) for label in images.labels))
