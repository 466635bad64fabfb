"""Pictures of characters: a mask turned, sheared, scaled and laid in colours over a ground."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from tools.tiny8.data.draw import SIZE, Colour, Pixels, brightness, ink, reduce_colours

_CANVAS = 2 * SIZE  # halved at the end, which smooths the edges
_COLOURS = 64


@dataclass(frozen=True)
class Look:
    """How freely a kind of picture varies."""

    sizes: tuple[float, float]  # of the longer side, in pixels
    angle: float  # largest rotation, in degrees
    shear: float
    shift: float  # largest move from the centre, in pixels
    contrast: tuple[int, int]  # of brightness, between foreground and ground
    coloured: float = 1.0  # share of pictures with colours rather than greys
    light: float = 0.5  # share of pictures with the lighter colour in front
    patterned: float = 0.0  # share of grounds that are not one flat colour
    decorated: float = 0.0  # share of characters with an outline or a shadow
    weight: float = 0.0  # share of characters drawn thicker or thinner than the font has them


CLEAN = Look((22, 28), 6, 0.05, 1.5, (120, 255), coloured=0.6, weight=0.1)
MILD = Look((21, 29), 8, 0.06, 1.5, (90, 220), coloured=0.6, patterned=0.1)
HARD = Look((16, 28), 30, 0.3, 3, (65, 170), patterned=0.6, decorated=0.35)
VARIED = Look((19, 29), 14, 0.15, 2.5, (90, 220), patterned=0.25, weight=0.15)
PLAIN = Look((18, 24), 12, 0.3, 2, (215, 255), coloured=0.0, light=1.0, weight=0.5)


def render(mask: Pixels, look: Look, rng: np.random.Generator) -> Pixels:
    """A picture of the character that ``mask`` shows, (32, 32, 3)."""
    if rng.random() < look.weight:
        mask = _reweigh(mask, rng)
    placed = _place(mask, look, rng)
    front, back = _colours(look, rng)
    patterned = rng.random() < look.patterned
    picture = _pattern(back, rng) if patterned else np.full((SIZE, SIZE, 3), back, dtype=np.uint8)
    if rng.random() < look.decorated:
        picture = _decorate(picture, placed, front, rng)
    return reduce_colours(ink(placed, front, picture), _COLOURS)


def _reweigh(mask: Pixels, rng: np.random.Generator) -> Pixels:
    """Strokes a little thicker, or thinner where they are thick enough to stay."""
    padded = Image.fromarray(np.pad(mask, 4))
    if rng.random() < 0.7:
        return np.asarray(padded.filter(ImageFilter.MaxFilter(int(rng.choice([3, 5, 7])))))
    thinner = np.asarray(padded.filter(ImageFilter.MinFilter(3)))
    return thinner if thinner.mean() > 0.6 * np.asarray(padded).mean() else mask


def _place(mask: Pixels, look: Look, rng: np.random.Generator) -> Pixels:
    """The mask on the canvas: (32, 32)."""
    zoom = max(mask.shape) / (2 * rng.uniform(*look.sizes))  # pixels of the mask per pixel of the canvas
    angle = np.deg2rad(rng.uniform(-look.angle, look.angle))
    shear = rng.uniform(-look.shear, look.shear)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    matrix = zoom * np.array([[1, shear], [0, 1]]) @ turn
    centre = _CANVAS / 2 + 2 * rng.uniform(-look.shift, look.shift, size=2)
    start = np.array(mask.shape[::-1]) / 2 - matrix @ centre
    source = Image.fromarray(mask)
    if zoom > 1.5:
        source = source.filter(ImageFilter.GaussianBlur(0.4 * zoom))
    placed = source.transform(
        (_CANVAS, _CANVAS),
        Image.Transform.AFFINE,
        (*matrix[0], start[0], *matrix[1], start[1]),
        resample=Image.Resampling.BILINEAR,
    )
    return np.asarray(placed.resize((SIZE, SIZE), Image.Resampling.BOX))


def _colour(look: Look, coloured: bool, rng: np.random.Generator) -> Colour:
    red, green, blue = (int(value) for value in rng.integers(0, 256, size=3))
    return (red, green, blue) if coloured else (red, red, red)


def _colours(look: Look, rng: np.random.Generator) -> tuple[Colour, Colour]:
    """Foreground and ground with the look's contrast."""
    coloured = bool(rng.random() < look.coloured)
    while True:
        one, other = _colour(look, coloured, rng), _colour(look, coloured, rng)
        contrast = abs(brightness(one) - brightness(other))
        if 1000 * look.contrast[0] <= contrast <= 1000 * look.contrast[1]:
            dark, light = sorted((one, other), key=brightness)
            return (light, dark) if rng.random() < look.light else (dark, light)


def _pattern(colour: Colour, rng: np.random.Generator) -> Pixels:
    """A gradient in a few steps, or stripes, from ``colour`` to one not far from it: (32, 32, 3)."""
    other = np.clip(np.asarray(colour) + rng.integers(-45, 46, size=3), 0, 255)
    angle = rng.uniform(0, 2 * np.pi)
    rows, columns = np.mgrid[:SIZE, :SIZE]
    along = rows * np.sin(angle) + columns * np.cos(angle)
    if rng.random() < 0.5:
        along = (along - along.min()) / np.ptp(along)
        weight = np.floor(along * 7.999) / 7
    else:
        weight = (np.floor(along / rng.integers(3, 8)) % 2).astype(np.float64)
    mixed = np.asarray(colour) + weight[..., None] * (other - np.asarray(colour))
    return np.asarray(mixed.astype(np.uint8))


def _decorate(picture: Pixels, placed: Pixels, front: Colour, rng: np.random.Generator) -> Pixels:
    """The ground with an outline or a shadow of the character on it, away from the colour in front."""
    edge: Colour = (0, 0, 0) if brightness(front) > 128_000 else (255, 255, 255)
    if rng.random() < 0.5:
        shape = np.asarray(Image.fromarray(placed).filter(ImageFilter.MaxFilter(3)))
    else:
        shape = np.roll(placed, tuple(rng.choice([-2, 2], size=2)), axis=(0, 1))
    return ink((shape * rng.uniform(0.4, 0.9)).astype(np.uint8), edge, picture)
