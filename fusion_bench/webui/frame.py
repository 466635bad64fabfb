"""What all pages have in common: their head, the links between them, their looks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from pathlib import Path

from nicegui import ui

PLACES = {"New run": "/", "Runs": "/runs"}
_STYLE = Path(__file__).with_name("style.css")


@contextmanager
def frame(title: str, place: str | None = None) -> Iterator[None]:
    """The page around what is built inside the block.

    Args:
        title: of the page.
        place: which of :data:`PLACES` it is.
    """
    ui.page_title(f"{title} · fusion_bench")
    ui.add_css(_STYLE)
    ui.colors(primary="#3949ab", positive="#2e7d32", negative="#c62828", warning="#b26a00")
    with ui.element("header").classes("bar"):
        ui.link("fusion_bench", "/").classes("brand")
        with ui.element("nav").props("aria-label=Pages"):
            for name, address in PLACES.items():
                link = ui.link(name, address)
                if name == place:
                    link.props("aria-current=page")
    with ui.element("main").classes("page"):
        heading(title)
        yield


def heading(text: str, level: int = 1) -> None:
    """A heading that browsers and screen readers know as one."""
    ui.html(escape(text), tag=f"h{level}", sanitize=False)
