"""Icon collections for pretraining: which drawings to take and what their names say."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tools.tiny8.data.assign import generator, number
from tools.tiny8.data.draw import Colour, Pixels, brightness, flatten
from tools.tiny8.data.stage import read_json
from tools.tiny8.data.svg import Icon, decode, icons

_VARIANT = (
    r"outline[ds]?|filled|fill|rounded|round|sharp|two-?tone|duo-?tone|bold|linear|light|thin|regular|broken|"
    r"solid|plain|negative|line|flat|remix|neue|freebies?|\d+"
)
_NOT_OBJECTS = (
    r"(alpha|letter|number|numeric|numerals?|roman|emoji|emoticon|flag|circle-letter|square-letter|hexagon-letter|"
    r"logo|brand|circle-number|square-number|hexagon-number|counter|text-number|alphabet|\w$)\b"
)
_ABSTRACT = r"\b(off|x|check|plus|minus|cancel|add|remove|edit|settings|cog|search|lock|dollar|arrow|alert|question)\b"


@dataclass(frozen=True)
class Collection:
    """An icon package, how many drawings of one name to take, and whether they have their own colours."""

    name: str
    variants: int = 1
    coloured: bool = False


COLLECTIONS = (
    Collection("game-icons", 2),
    Collection("mdi"),
    Collection("tabler"),
    Collection("material-symbols"),
    Collection("fluent", 2),
    Collection("ph", 2),
    Collection("carbon"),
    Collection("healthicons", 2),
    Collection("solar", 2),
    Collection("lucide"),
    Collection("fa6-solid"),
    Collection("maki"),
    Collection("temaki"),
    Collection("medical-icon"),
    Collection("map"),
    Collection("icon-park", 1, True),
    Collection("flat-color-icons", 1, True),
    Collection("fluent-color", 2, True),
    Collection("meteocons", 2, True),
    Collection("marketeq", 1, True),
    Collection("streamline-color", 2, True),
    Collection("streamline-flex-color", 2, True),
    Collection("streamline-plump-color", 2, True),
    Collection("streamline-ultimate-color", 1, True),
    Collection("streamline-kameleon-color", 1, True),
    Collection("streamline-stickies-color", 1, True),
    Collection("streamline-freehand-color", 1, True),
    Collection("streamline-cyber-color", 1, True),
)


def said(name: str) -> str:
    """What an icon's name says, without words for the variant of the drawing."""
    plain = re.sub(rf"(^|-)({_VARIANT})(?=-|$)", "-", re.sub(rf"(^|-)({_VARIANT})(?=-|$)", "-", name))
    return " ".join(re.sub(r"[-_]+", " ", plain).split())


def choose(package: Path, collection: Collection) -> list[Icon]:
    """The drawings to take: no letters or digits, a few variants of each name, objects before signs for settings."""
    by_name: dict[str, list[Icon]] = {}
    for icon in icons(package):
        name = said(icon.name)
        if len(name) > 2 and not re.match(_NOT_OBJECTS, icon.name) and not re.search(_ABSTRACT, name.partition(" ")[2]):
            by_name.setdefault(name, []).append(icon)
    chosen = []
    for name in sorted(by_name):
        variants = sorted(by_name[name], key=lambda icon: number("icon", collection.name, icon.name))
        chosen += variants[: collection.variants]
    return chosen


def decode_collection(package: Path, collection: Collection) -> dict[str, Pixels]:
    """The chosen drawings as (32, 32, 4) by name, black where they have no colours of their own."""
    return decode(choose(package, collection), collection.name)


def categories(package: Path) -> dict[str, tuple[str, ...]]:
    """The categories of each icon, where the package tells them."""
    path = package / "metadata.json"
    listed: dict[str, Any] = read_json(path).get("categories", {}) if path.is_file() else {}
    found: dict[str, tuple[str, ...]] = {}
    for category, names in listed.items():
        for name in names:
            found[name] = (*found.get(name, ()), category.lower())
    return found


def captions(name: str, kinds: tuple[str, ...], coloured: bool) -> tuple[str, ...]:
    """What can be said of an icon."""
    thing = said(name)
    look = "colour icon" if coloured else "symbol"
    found = [f"an icon of {thing}", thing, f"a {look} of {thing}", f"a picture of {thing}"]
    found += [f"an icon of {thing}, {kind}" for kind in kinds[:2]]
    return tuple(dict.fromkeys(found))


def paint(pixels: Pixels, coloured: bool, *key: object) -> Pixels:
    """The icon in its own colours over white or a pale colour, or in one colour over another: (32, 32, 3)."""
    rng = generator("icon colours", *key)
    if coloured:
        return flatten(pixels, pale(rng))
    front, back = contrasting(rng)
    coloured_pixels = pixels.copy()
    coloured_pixels[..., :3] = front
    return flatten(coloured_pixels, back)


def pale(rng: np.random.Generator) -> Colour:
    """White in half of the cases, else a light colour."""
    if rng.random() < 0.5:
        return (255, 255, 255)
    red, green, blue = (int(value) for value in rng.integers(170, 256, size=3))
    return (red, green, blue)


def contrasting(rng: np.random.Generator) -> tuple[Colour, Colour]:
    """A foreground and a ground at least 110 apart in brightness; black on white in a quarter of the cases."""
    if rng.random() < 0.25:
        return (0, 0, 0), (255, 255, 255)
    while True:
        (a, b, c), (d, e, f) = rng.integers(0, 256, size=(2, 3)).tolist()
        if abs(brightness((a, b, c)) - brightness((d, e, f))) >= 110_000:
            return (a, b, c), (d, e, f)
