"""Pictures of short texts, rendered from the TrueType fonts that matplotlib ships."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from tools.local_suite.images import IMAGE_SIZE, Pixels

_DRAWN_SIZE = 72  # of the letters, in pixels, before they are scaled
_LATIN_CAPITAL_A, _LATIN_SMALL_A = ord("A"), ord("a")


@dataclass(frozen=True)
class Font:
    """A font file, or one of the mathematical alphabets inside it.

    Args:
        file: name without the suffix ``.ttf``.
        capital_a: code point of the alphabet's capital A, its small letters following 26 later; None for plain Latin.
    """

    file: str
    capital_a: int | None = None

    def encode(self, text: str) -> str:
        """``text`` with its Latin letters moved to the alphabet of this font."""
        return "".join(map(self._encode_character, text))

    def _encode_character(self, character: str) -> str:
        if self.capital_a is None or not (character.isascii() and character.isalpha()):
            return character
        if character.isupper():
            return chr(self.capital_a + ord(character) - _LATIN_CAPITAL_A)
        return chr(self.capital_a + 26 + ord(character) - _LATIN_SMALL_A)


@lru_cache(maxsize=64)
def _face(file: str) -> ImageFont.FreeTypeFont:
    path = Path(matplotlib.get_data_path(), "fonts", "ttf", f"{file}.ttf")
    return ImageFont.truetype(str(path), _DRAWN_SIZE, layout_engine=ImageFont.Layout.BASIC)


@lru_cache(maxsize=4096)
def _mask(text: str, file: str) -> Image.Image:
    """The text alone, cut to its outline."""
    left, top, right, bottom = map(int, _face(file).getbbox(text))
    picture = Image.new("L", (max(right - left, 1), max(bottom - top, 1)))
    ImageDraw.Draw(picture).text((-left, -top), text, font=_face(file), fill=255)
    return picture


def render(text: str, font: Font, rng: np.random.Generator) -> Pixels:
    """A light text on a dark ground, (32, 32), with random size, place, rotation, contrast and noise."""
    mask = _mask(font.encode(text), font.file)
    canvas = 2 * IMAGE_SIZE  # halved below, which smooths the edges
    zoom = max(mask.size) / (canvas * rng.uniform(0.65, 0.95))  # pixels of the mask per pixel of the canvas
    angle = np.deg2rad(rng.uniform(-10, 10))
    cosine, sine = zoom * np.cos(angle), zoom * np.sin(angle)
    centre_x, centre_y = canvas * rng.uniform(0.42, 0.58, size=2)
    start_x = mask.width / 2 - cosine * centre_x - sine * centre_y
    start_y = mask.height / 2 + sine * centre_x - cosine * centre_y
    picture = mask.transform(
        (canvas, canvas),
        Image.Transform.AFFINE,
        (cosine, sine, start_x, -sine, cosine, start_y),
        resample=Image.Resampling.BILINEAR,
    ).resize((IMAGE_SIZE, IMAGE_SIZE), Image.Resampling.BOX)
    ground, ink = rng.uniform(0, 50), rng.uniform(160, 255)
    noise = rng.normal(0, rng.uniform(0, 15), size=(IMAGE_SIZE, IMAGE_SIZE))
    return np.clip(ground + (ink - ground) * np.asarray(picture) / 255 + noise, 0, 255).astype(np.uint8)
