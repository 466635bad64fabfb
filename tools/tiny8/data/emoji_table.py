"""The table of emoji: names, categories, skin tones, and the names that variants share."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.tiny8.data.stage import read_json

CATEGORIES = {
    "Smileys & Emotion": "smiley or emotion",
    "People & Body": "person or body part",
    "Animals & Nature": "animal or nature",
    "Food & Drink": "food or drink",
    "Travel & Places": "travel or place",
    "Activities": "activity or sport",
    "Objects": "object",
    "Symbols": "symbol",
    "Flags": "flag",
}
CLASSES = tuple(CATEGORIES.values())
_TONES = {
    "1F3FB": "light skin tone",
    "1F3FC": "medium-light skin tone",
    "1F3FD": "medium skin tone",
    "1F3FE": "medium-dark skin tone",
    "1F3FF": "dark skin tone",
}
_GENDER = r"man|men|woman|women|male|female|person|people|boy|girl|adult|older|mr|mrs|mx"
_MODIFIER = (
    r"red|orange|yellow|green|blue|purple|brown|black|white|grey|light blue|pink|heavy|large|medium|small|"
    r"medium-small|left|right|up|down|upwards|downwards|leftwards|rightwards|facing|hair|bald|beard|curly|"
    r"o'clock|thirty|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|in|with|of|the|a|and|button|"
    r"face|quarter|full|new|first|last|waxing|waning|crescent|gibbous|1st|2nd|3rd|closed|open|mark|asia|africa|"
    r"australia|europe|americas|showing|heads?"
)


@dataclass(frozen=True)
class Entry:
    """One emoji of the table: where each set has its picture is found from the codes and the name."""

    codes: tuple[str, ...]
    image: str
    name: str
    tone: str
    base: str
    category: int
    subcategory: str
    keywords: tuple[str, ...]

    @property
    def key(self) -> str:
        """The name with the skin tone, by which pictures are kept."""
        return f"{self.base} / {self.tone}" if self.tone else self.base


def base_name(name: str) -> str:
    """What is left of an emoji's name without genders, colours, directions, numbers: its variants share it."""
    text = name.lower()
    if text.startswith(("flag", "keycap", "family", "couple", "kiss:", "men holding", "women holding")):
        return text if text.startswith("flag") else text.split(":")[0].split()[0]
    plain = re.sub(r"[^a-z0-9'\- ]", " ", text)
    plain = re.sub(rf"\b({_GENDER})\b", " ", plain)
    short = re.sub(rf"\b({_MODIFIER})\b|-", " ", plain)
    return " ".join(short.split()) or " ".join(plain.split()) or "person"


def entries(google: Path, openmoji: Path) -> list[Entry]:
    """The emoji of the table in its order, each followed by its skin tones."""
    described = {row["hexcode"]: row for row in read_json(openmoji / "data" / "openmoji.json")}
    found = []
    for row in read_json(google / "emoji.json"):
        if row["category"] in CATEGORIES:
            found += _variants(row, described)
    return found


def _variants(row: dict[str, Any], described: dict[str, Any]) -> list[Entry]:
    codes = tuple(code for code in (row["unified"], row["non_qualified"]) if code)
    about: dict[str, Any] = next((described[code] for code in codes if code in described), {})
    name = about.get("annotation") or row["name"].lower()
    tags = [tag.strip().lower() for key in ("tags", "openmoji_tags") for tag in about.get(key, "").split(",")]
    tags += [short.replace("_", " ").replace("-", " ") for short in row["short_names"]]
    keywords = tuple(dict.fromkeys(tag for tag in tags if tag and tag != name))
    category = list(CATEGORIES).index(row["category"])
    rest = (category, (row.get("subcategory") or "").replace("-", " "), keywords)
    found = [Entry(codes, row["image"], name.lower(), "", name, *rest)]
    for code, tone in _TONES.items():
        variant = (row.get("skin_variations") or {}).get(code)
        if variant:
            found.append(Entry((variant["unified"],), variant["image"], name.lower(), tone, name, *rest))
    return found


def fluent_name(entry: Entry) -> str:
    """What the Fluent collection calls the emoji."""
    plain = re.sub(r"[^a-z0-9]+", "-", entry.name.replace("’", "").replace("'", "")).strip("-")
    return f"{plain}-{entry.tone.removesuffix(' skin tone')}" if entry.tone else plain
