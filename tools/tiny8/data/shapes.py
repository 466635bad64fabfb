"""Characters as fonts draw them: masks, small normalised shapes, and which families draw the same."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from tools.tiny8.data.alphabets import ALL_SCRIPTS, LATIN, samples
from tools.tiny8.data.draw import Pixels
from tools.tiny8.data.fonts import Face
from tools.tiny8.data.progress import progress
from tools.tiny8.data.similar import Groups

_DRAWN_SIZE = 64  # of the characters, in pixels
_SHAPE_SIDE = 16
_MISSING = "\ufffe"  # a code point that no font has
_COMPARED_LATIN = "RaQgksMe2G"
Shapes: TypeAlias = dict[str, Pixels]  # (16, 16) by ``path|character``


@lru_cache(maxsize=24)
def _font(path: Path) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(path), _DRAWN_SIZE, layout_engine=ImageFont.Layout.BASIC)


def mask(path: Path, character: str) -> Pixels | None:
    """The character cut to its outline, (h, w), None where the font has no such drawing."""
    drawn = _draw(path, character)
    if drawn is None or min(drawn.shape) < 3 or max(drawn.shape) > 6 * _DRAWN_SIZE:
        return None
    missing = _draw(path, _MISSING)
    if missing is not None and missing.shape == drawn.shape and (missing == drawn).all():
        return None
    return drawn


@lru_cache(maxsize=256)
def _draw(path: Path, character: str) -> Pixels | None:
    try:
        left, top, right, bottom = map(int, _font(path).getbbox(character))
        if not 0 < right - left < 600 or not 0 < bottom - top < 600:
            return None
        picture = Image.new("L", (right - left, bottom - top))
        ImageDraw.Draw(picture).text((-left, -top), character, font=_font(path), fill=255)
    except OSError:
        return None  # a font file that cannot be drawn
    box = picture.point(lambda value: 255 * (value > 40)).getbbox()
    return None if box is None else np.asarray(picture.crop(box))


def shape(drawn: Pixels) -> Pixels:
    """A mask padded to a square and scaled to (16, 16)."""
    side = max(drawn.shape)
    square = Image.new("L", (side, side))
    square.paste(Image.fromarray(drawn), ((side - drawn.shape[1]) // 2, (side - drawn.shape[0]) // 2))
    return np.asarray(square.resize((_SHAPE_SIDE, _SHAPE_SIDE), Image.Resampling.BOX))


def draw_all(faces: Sequence[Face], root: Path) -> Shapes:
    """The Latin letters and digits of each face, and those characters by which scripts are compared."""
    wanted = LATIN + "".join(samples(script) for script in ALL_SCRIPTS)
    found: Shapes = {}
    for face in progress(faces, "shapes of characters"):
        available = set(face.characters)
        for character in dict.fromkeys(wanted):
            drawn = mask(root / face.path, character) if character in available else None
            if drawn is not None:
                found[f"{face.path}|{character}"] = shape(drawn)
    return found


def families(faces: Sequence[Face], shapes: Shapes, distance: float = 14.0) -> dict[str, str]:
    """The group of each face's path: faces of one kin, or that draw one script's samples the same, are together."""
    groups = Groups(sorted(face.path for face in faces))
    groups.join_by([face.kin for face in faces], [face.path for face in faces])
    for characters in (_COMPARED_LATIN, *map(samples, ALL_SCRIPTS)):
        rows = {face.path: _row(face.path, characters, shapes) for face in faces}
        known = {path: row for path, row in rows.items() if row is not None}
        paths = list(known)
        for one, other in _close(np.array(list(known.values()), dtype=np.float32), distance):
            groups.join(paths[one], paths[other])
    return {face.path: groups.find(face.path) for face in faces}


def _row(path: str, characters: str, shapes: Shapes) -> NDArray[np.uint8] | None:
    found = [shapes[key] for key in (f"{path}|{character}" for character in characters) if key in shapes]
    return np.concatenate([picture.ravel() for picture in found]) if len(found) == len(characters) else None


def _close(rows: NDArray[np.float32], distance: float) -> list[tuple[int, int]]:
    """Pairs of rows whose root mean square difference is at most ``distance``."""
    if len(rows) < 2:
        return []
    norms = np.mean(rows**2, axis=1)
    squared = norms[:, None] + norms[None, :] - 2 * (rows @ rows.T) / rows.shape[1]
    first, second = np.nonzero(np.triu(squared <= distance**2, 1))
    return list(zip(first.tolist(), second.tolist(), strict=True))


def legible(faces: Sequence[Face], shapes: Shapes, rank: int = 5) -> set[str]:
    """The keys ``path|character`` of Latin letters and digits that look like what they are.

    A character counts when its own average shape is among the ``rank`` nearest of all 62,
    and a face when three quarters of its characters do.
    """
    keys = [[f"{face.path}|{character}" for character in LATIN] for face in faces]
    complete = [row for row in keys if all(key in shapes for key in row)]
    drawn = np.stack([[shapes[key].ravel() for key in row] for row in complete]).astype(np.float32)
    drawn -= drawn.mean(axis=2, keepdims=True)
    drawn /= np.linalg.norm(drawn, axis=2, keepdims=True) + 1e-6
    average = np.median(drawn, axis=0)
    average /= np.linalg.norm(average, axis=1, keepdims=True)
    likeness = drawn @ average.T  # (faces, 62, 62)
    own = np.einsum("fcc->fc", likeness)
    good = (likeness > own[..., None]).sum(axis=2) < rank
    good &= good.mean(axis=1, keepdims=True) >= 0.75
    return {
        key for row, marks in zip(complete, good, strict=True) for key, mark in zip(row, marks, strict=True) if mark
    }
