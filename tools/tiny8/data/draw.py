"""Small pictures: fitting into a square, laying over a ground, writing as PNG."""

from __future__ import annotations

import io
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIZE = 32
WHITE = (255, 255, 255)
Pixels: TypeAlias = NDArray[np.uint8]
Colour: TypeAlias = tuple[int, int, int]


def fit(image: Image.Image, size: int = SIZE) -> Pixels:
    """``image`` cut to what is not transparent, padded to a square and scaled: (size, size, 4)."""
    image = image.convert("RGBA")
    box = image.getchannel("A").getbbox()
    if box is not None:
        image = image.crop(box)
    side = max(image.size)
    if side > 8 * size:
        image = image.reduce(side // (4 * size))
        side = max(image.size)
    square = Image.new("RGBA", (side, side))
    square.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
    return np.asarray(square.resize((size, size), Image.Resampling.LANCZOS))


def flatten(picture: Pixels, ground: Colour | Pixels = WHITE) -> Pixels:
    """A picture with transparency, (..., 4), over a colour or another picture: (..., 3)."""
    alpha = picture[..., 3:].astype(np.float32) / 255
    mixed = picture[..., :3] * alpha + np.asarray(ground, dtype=np.float32) * (1 - alpha)
    return np.clip(np.rint(mixed), 0, 255).astype(np.uint8)


def ink(mask: Pixels, foreground: Colour | Pixels, ground: Colour | Pixels) -> Pixels:
    """``foreground`` where the mask, (h, w), is 255, ``ground`` where it is 0: (h, w, 3)."""
    weight = mask[..., None].astype(np.float32) / 255
    front, back = np.asarray(foreground, np.float32), np.asarray(ground, np.float32)
    return np.clip(np.rint(front * weight + back * (1 - weight)), 0, 255).astype(np.uint8)


def brightness(colour: Colour) -> int:
    """In thousandths, 0 to 255 000. Exact, because pictures depend on limits: sums of floats differ by processor."""
    red, green, blue = colour
    return 299 * red + 587 * green + 114 * blue


def enlarge(grey: Pixels, size: int = SIZE) -> Pixels:
    """A grey picture, (h, w), scaled to (size, size, 3)."""
    scaled = Image.fromarray(grey).resize((size, size), Image.Resampling.BICUBIC)
    return np.repeat(np.asarray(scaled)[..., None], 3, axis=2)


def reduce_colours(pixels: Pixels, colours: int) -> Pixels:
    """The picture with at most ``colours`` different ones, chosen for it, without dithering: (h, w, 3)."""
    image = Image.fromarray(pixels)
    few = image.quantize(colours, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    return np.asarray(few.convert("RGB"))


def to_png(pixels: Pixels) -> bytes:
    """The smallest PNG of (h, w, 3) that loses nothing: grey, palette or RGB."""
    image = Image.fromarray(pixels)
    if (pixels[..., :1] == pixels).all():
        image = image.convert("L")
    elif image.getcolors(256) is not None:
        image = _with_palette(pixels)
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def _with_palette(pixels: Pixels) -> Image.Image:
    flat = pixels.reshape(-1, 3)
    colours, inverse = np.unique(flat, axis=0, return_inverse=True)
    by_brightness = np.argsort(colours.sum(axis=1), kind="stable")
    rank = np.argsort(by_brightness, kind="stable")
    image = Image.fromarray(rank[inverse.reshape(-1)].astype(np.uint8).reshape(pixels.shape[:2]), mode="P")
    image.putpalette(colours[by_brightness].tobytes())
    return image
