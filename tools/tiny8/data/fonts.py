"""The font files of the unpacked packages: what each is called and which wanted characters it has."""

from __future__ import annotations

import logging
import re
from dataclasses import asdict, dataclass
from pathlib import Path

from fontTools.ttLib import TTFont, TTLibError  # type: ignore[import-untyped]

from tools.tiny8.data.alphabets import WANTED
from tools.tiny8.data.progress import progress
from tools.tiny8.data.stage import records

_SUFFIXES = (".ttf", ".otf", ".ttc")
_WEIGHTS = (
    r"thin|hairline|extra ?light|ultra ?light|light|book|regular|normal|roman|medium|semi ?bold|demi ?bold|demi|"
    r"bold|extra ?bold|ultra ?bold|heavy|black|fat|italic|oblique|slanted|condensed|semi ?condensed|"
    r"extra ?condensed|cond|"
    r"narrow|extended|wide|caps|sc|small ?caps|brk|std|pro|web|variable|vf|otf|ttf|\d+(pt)?|r|b|bi|i|bd|it|lt|md|"
    r"ui|mono|expanded|compressed|outline|shadow|inline|alt|alternate|one|two|unicode|clm"
)
_CLONES = (
    (r"arimo|liberation sans|nimbus sans( l)?|tex gyre heros|free ?sans|helvetica|arial|albany|aerial", "helvetica"),
    (r"tinos|liberation serif|nimbus roman.*|tex gyre termes|free ?serif|times.*|thorndale|tymes|stix.*", "times"),
    (r"cousine|liberation mono|nimbus mono.*|tex gyre cursor|free ?(mono)?|courier.*|cumberland", "courier"),
    (r"carlito|lato", "lato"),
    (r"deja ?vu.*|bitstream vera.*|verana.*|veranda|hack|meslo.*|arundina.*", "vera"),
    (r"latin modern.*|lmodern.*|lm.*|cmu.*|computer modern.*|new ?computer.*|cm[a-z]*\d*", "computer modern"),
    (r"c059|tex gyre schola|century schoolbook.*", "century schoolbook"),
    (r"p052|tex gyre pagella|palatino.*|urw palladio.*", "palatino"),
    (r"urw gothic|tex gyre adventor", "avant garde"),
    (r"urw bookman|tex gyre bonum", "bookman"),
    (r"z003|tex gyre chorus", "chancery"),
    (r"droid.*|open sans.*|noto sans|noto mono", "open sans"),
    (r"gentium.*", "gentium"),
    (r"caladea|cambo", "cambo"),
    (r"linux libertine.*|libertinus.*", "libertine"),
    (r"cantarell.*", "cantarell"),
    (r"andika.*", "andika"),
    (r"karla.*|karmilla", "karla"),
    (r"abecedario.*", "abecedario"),
    (r"monlam uni ou chan|monlam uni chouk.*", "monlam uni"),
    (r"aoyagi.*|.*kouzan.*", "kouzan"),
    (r"fantasque.*", "fantasque"),
)


@dataclass(frozen=True)
class Face:
    """One font file."""

    path: str  # below the root that the packages were unpacked to
    family: str  # the name that its file gives
    style: str
    characters: str  # of those wanted
    fixed: bool

    @property
    def kin(self) -> str:
        """The family without words of weight, slant and width; a redrawn copy counts as its model."""
        return family_key(self.family)


def family_key(family: str) -> str:
    """A family name without words of weight, slant and width; a redrawn copy counts as its model."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z][a-z])", " ", family)
    words = re.sub(r"[^\w&]+|_|(?<=[a-z])\d+\b", " ", spaced).lower()
    plain = " ".join(re.sub(rf"\b({_WEIGHTS})\b", " ", words).split()) or words.strip() or family.strip()
    for pattern, model in _CLONES:
        if re.fullmatch(pattern, plain):
            return model
    return plain


def _read(path: Path, root: Path) -> Face | None:
    try:
        with TTFont(path, fontNumber=0, lazy=True) as font:
            available = set(font.getBestCmap() or ())
            names = font["name"]
            family = names.getDebugName(16) or names.getDebugName(1) or path.stem
            style = names.getDebugName(17) or names.getDebugName(2) or ""
            fixed = bool(font["post"].isFixedPitch) if "post" in font else False
    except (TTLibError, KeyError, AttributeError, AssertionError, OSError, ValueError):
        return None  # a broken file of some package
    characters = "".join(sorted(character for character in WANTED if ord(character) in available))
    return Face(path.relative_to(root).as_posix(), family, style, characters, fixed)


def _index(root: Path) -> list[dict[str, object]]:
    logging.getLogger("fontTools").setLevel(logging.ERROR)
    paths = [path for path in sorted(root.rglob("*")) if path.suffix.lower() in _SUFFIXES and not path.is_symlink()]
    faces = (_read(path, root) for path in progress(paths, "fonts"))
    return [asdict(face) for face in faces if face is not None and face.characters]


def index(root: Path, cache: Path) -> list[Face]:
    """The faces of all font files below ``root``."""
    return [Face(**row) for row in records(cache, lambda: _index(root))]


def traits(face: Face) -> tuple[str, ...]:
    """Words for the look of a face, as its name gives them."""
    name = f"{face.family} {face.style} {face.path}".lower()
    found = []
    if re.search(r"bold|black|heavy|fat", name):
        found.append("bold")
    elif re.search(r"thin|light|hairline", name):
        found.append("thin")
    if re.search(r"italic|oblique|slant", name):
        found.append("italic")
    if face.fixed or re.search(r"mono|typewriter|courier|\bcode", name):
        found.append("monospace")
    if re.search(r"hand|script|brush|dancing|kaushan|kristi|femke|breip|bwht|rufscript|comic|ecolier|humor", name):
        found.append("handwritten")
    elif re.search(r"sans|gothic|grotes", name):
        found.append("sans")
    elif re.search(r"serif|roman|mincho|ming|garamond|times|didot", name):
        found.append("serif")
    return tuple(found)
