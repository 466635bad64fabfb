"""What the comments in a configuration file say about its keys."""

from __future__ import annotations

import re

from fusion_bench.cli.config_files import ConfigFiles

_ENTRY = re.compile(r"^( *)([\w-]+):(?:\s.*?)??(?:\s+#\s*(.*))?$")
_PART = re.compile(r"^\s*-\s*/?([\w/.-]+)@_here_\s*$", re.MULTILINE)


def comments(files: ConfigFiles, name: str) -> dict[str, str]:
    """The comment behind each key, by its dotted name, with those of the files that ``name`` takes in.

    Args:
        files: the configuration files there are.
        name: the file, such as ``method/opcm/opcm``.
    """
    text = files.read(name)
    found: dict[str, str] = {}
    for part in _PART.findall(text):
        found.update(comments(files, part))
    return found | _behind_keys(text)


def summary(files: ConfigFiles, name: str) -> str:
    """The comment at the top of a file, on one line."""
    lines = files.read(name).splitlines()
    above = next((number for number, line in enumerate(lines) if not line.startswith("#")), len(lines))
    return " ".join(line.removeprefix("#").strip() for line in lines[:above])


def _behind_keys(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    parents: list[tuple[int, str]] = []  # indentation and name of the keys that enclose a line
    for match in filter(None, map(_ENTRY.match, text.splitlines())):
        indent, key, comment = len(match[1]), match[2], match[3]
        parents = [*(parent for parent in parents if parent[0] < indent), (indent, key)]
        if comment:
            found[".".join(name for _, name in parents)] = comment
    return found
