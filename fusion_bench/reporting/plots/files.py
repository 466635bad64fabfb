"""Figures as PNG and PDF files and as SVG text, the same bytes each time."""

from __future__ import annotations

import re
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from fusion_bench.reporting.plots.style import COLOURS, DARK_RAMP, GRID, INK, MUTED, PAPER, RAMP
from fusion_bench.utils.files import atomic_path

DPI = 300

# Type is embedded as outlines of TrueType, which publishers take; SVG names its parts by content, not by chance.
_SETTINGS: Any = {"pdf.fonttype": 42, "svg.fonttype": "path", "svg.hashsalt": "fusion_bench", "path.simplify": True}
_DARK_SERIES = ("#4ba3e3", "#f4803a", "#2cc295", "#e59cc8", "#f0b93a", "#93d3f7", "#e8eaed")
DARK = dict(zip(COLOURS + RAMP, _DARK_SERIES + DARK_RAMP, strict=True)) | {
    INK: "#e8eaed",
    MUTED: "#a4abb5",
    GRID: "#363b43",
    PAPER: "#16181c",
}
"""The colours of a figure on a dark page, by those on paper."""


def save_figure(figure: Figure, stem: Path) -> list[Path]:
    """Write ``stem.png`` and ``stem.pdf``, each atomically; the paths.

    The same figure gives the same bytes: neither file holds a date or a version.

    Args:
        figure: the figure.
        stem: path without its ending.
    """
    written = []
    with matplotlib.rc_context(_SETTINGS):
        for ending, metadata in (("png", {"Software": None}), ("pdf", {"CreationDate": None, "Producer": None})):
            path = stem.with_name(f"{stem.name}.{ending}")
            with atomic_path(path) as partial:
                figure.savefig(partial, format=ending, dpi=DPI, facecolor="white", metadata=metadata)
            written.append(path)
    return written


def svg_text(figure: Figure) -> str:
    """The figure as SVG without a background, its letters as outlines."""
    buffer = BytesIO()
    with matplotlib.rc_context(_SETTINGS):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = re.sub(r"<!--.*?-->\n?", "", buffer.getvalue().decode("utf-8"), flags=re.DOTALL)  # repeats every label
    text = re.sub(r"<metadata>.*?</metadata>\n?", "", text, flags=re.DOTALL)
    return re.sub(r"\s*\n\s*", "\n", text)


def in_dark(svg: str) -> str:
    """What :func:`svg_text` gives, in the colours for a dark page."""
    return re.sub(r"#[0-9a-f]{6}", lambda match: DARK.get(match[0], match[0]), svg)
