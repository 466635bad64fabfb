"""Pictures from vector drawings, and from the JSON collections of icons that hold many of them."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import resvg_py
from PIL import Image

from tools.tiny8.data.draw import SIZE, Pixels, fit
from tools.tiny8.data.progress import progress
from tools.tiny8.data.stage import read_json


@dataclass(frozen=True)
class Icon:
    """A drawing by name, with whether it has colours of its own."""

    name: str
    svg: str


def rasterise(svg: str) -> Pixels:
    """The drawing as (32, 32, 4).

    Raises:
        ValueError: it cannot be drawn.
    """
    encoded = resvg_py.svg_to_bytes(svg_string=svg, width=2 * SIZE, height=2 * SIZE)
    with Image.open(io.BytesIO(bytes(encoded))) as image:
        return fit(image)


def icons(package: Path) -> Iterator[Icon]:
    """The drawings of an unpacked icon collection, aliases left out, in the order of their names."""
    collection: dict[str, Any] = read_json(package / "icons.json")
    for name, icon in sorted(collection["icons"].items()):
        if icon.get("hidden"):
            continue
        width = icon.get("width", collection.get("width", 16))
        height = icon.get("height", collection.get("height", 16))
        corner = f"{icon.get('left', 0)} {icon.get('top', 0)}"
        yield Icon(
            name,
            '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
            f'viewBox="{corner} {width} {height}" width="{width}" height="{height}">{icon["body"]}</svg>',
        )


def decode(drawings: list[Icon], title: str) -> dict[str, Pixels]:
    """The drawings as (32, 32, 4) by name; empty and unreadable ones left out."""
    found: dict[str, Pixels] = {}
    for icon in progress(drawings, title):
        still = re.sub(r"<(animate\w*|set)\b[^>]*(/>|>.*?</\1>)", "", icon.svg)
        try:
            pixels = rasterise(still)
        except ValueError:
            continue
        if pixels[..., 3].max() > 0:
            found[icon.name] = pixels
    return found
