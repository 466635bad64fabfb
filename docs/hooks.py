"""Build hooks of the site: cross-reference roles of docstrings become plain code."""

import re
from typing import Any

ROLE = re.compile(r":(?:attr|class|data|func|meth|mod):(?=<code>)")


def on_page_content(html: str, **_: Any) -> str:
    """The page without ``:meth:`` and the like, which Markdown does not know."""
    return ROLE.sub("", html)
