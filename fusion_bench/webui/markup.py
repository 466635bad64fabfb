"""Values as HTML: every text in it is escaped."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape

from fusion_bench.webui.results import Table


def prose(text: str) -> str:
    """A sentence in which what stands between backticks is code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def table(content: Table, caption: str, links: Sequence[str] = ()) -> str:
    """A table; the first cell of each row is a link where there are ``links``."""
    names = enumerate(map(escape, content.header))
    head = "".join(_cell("th", name, index in content.words, ' scope="col"') for index, name in names)
    rows = "".join(
        _row(row, content.words, links[number] if links else None) for number, row in enumerate(content.rows)
    )
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(caption)}"><table>'
        f"<caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def figures(named: Sequence[tuple[str, str]]) -> str:
    """Large numbers, each above its name."""
    entries = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in named)
    return f'<dl class="figures">{entries}</dl>'


def links(named: Sequence[tuple[str, str, str]], *, long: bool = False) -> str:
    """A list of links: address, text, and what is said behind it, which may be ``long``."""
    entries = "".join(
        f'<li><a href="{escape(address)}">{escape(text)}</a> <small>{escape(note)}</small></li>'
        for address, text, note in named
    )
    return f'<ul class="links{" long" if long else ""}">{entries}</ul>'


def _row(cells: Sequence[str], words: Sequence[int], link: str | None) -> str:
    shown = list(map(escape, cells))
    if link is not None:
        shown[0] = f'<a href="{escape(link)}">{shown[0]}</a>'
    return "<tr>" + "".join(_cell("td", cell, index in words) for index, cell in enumerate(shown)) + "</tr>"


def _cell(tag: str, content: str, words: bool, attributes: str = "") -> str:
    return f"<{tag}{attributes}{'' if words else ' class=number'}>{content}</{tag}>"
