"""What the copyright files of the font packages say."""

from __future__ import annotations

import re
from pathlib import Path

from tools.tiny8.data.sources import font_packages

_SHORT_NAME = re.compile(r"^License:[ \t]*(\S[^\n]*)$", re.MULTILINE)
_FREE_TEXT = (
    (r"open font licen[sc]e|\bofl\b", "OFL"),
    (r"font exception|embed(s|ding)? this font", "font exception"),
    (r"general public licen[sc]e|\bgpl\b", "GPL"),
    (r"apache licen[sc]e", "Apache"),
    (r"public[ -]domain", "public domain"),
    (r"mit licen[sc]e|permission is hereby granted, free of charge", "MIT-like"),
    (r"lppl|latex project public", "LPPL"),
    (r"arphic public", "Arphic"),
    (r"ipa font licen[sc]e", "IPA"),
    (r"creative commons|cc-by", "Creative Commons"),
    (r"freely|free (to|software)", "free, in its own words"),
)


def licences(copyright_text: str) -> list[str]:
    """The licences that a Debian copyright file names, by its fields or else by its words."""
    named = {match.strip().rstrip(";,.") for match in _SHORT_NAME.findall(copyright_text)}
    short = sorted(name for name in named if len(name) <= 40)
    if short:
        return short
    text = " ".join(copyright_text.lower().split())
    return [name for pattern, name in _FREE_TEXT if re.search(pattern, text)]


def font_table(root: Path) -> str:
    """A Markdown table of the font packages: version, licences, the file that says so."""
    rows = ["| package | version | licences named in its copyright file |", "|---|---|---|"]
    for name, version in sorted(font_packages().items()):
        file = root / "usr" / "share" / "doc" / name / "copyright"
        text = file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""
        rows.append(f"| {name} | {version} | {', '.join(licences(text)) or 'see its source package'} |")
    return "\n".join(rows)
