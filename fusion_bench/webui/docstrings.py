"""What the docstring of a class says about it and its arguments, read from the source: nothing is imported."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

PACKAGE = "fusion_bench"


@dataclass(frozen=True)
class ClassDoc:
    """The first sentence about a class, and a text for each argument that is described."""

    summary: str = ""
    arguments: Mapping[str, str] = field(default_factory=dict)


class Docstrings:
    """The classes of this package by the dotted path that a ``_target_`` names; others have no text."""

    @cached_property
    def _package(self) -> Any:
        import griffe

        return griffe.load(PACKAGE)

    def of(self, target: str) -> ClassDoc:
        """The texts of ``target``, with those of the classes it derives from."""
        from griffe import AliasResolutionError

        prefix = f"{PACKAGE}."
        if not target.startswith(prefix):
            return ClassDoc()
        try:
            found = self._package[target.removeprefix(prefix)]
            classes = [found, *found.mro()] if found.is_class else []
        except (KeyError, AliasResolutionError):
            return ClassDoc()
        arguments: dict[str, str] = {}
        for cls in classes:
            for name, text in _arguments(cls).items():
                arguments.setdefault(name, text)
        return ClassDoc(_summary(classes), arguments)


def _summary(classes: list[Any]) -> str:
    text = classes[0].docstring.value if classes and classes[0].docstring else ""
    return plain(text.partition("\n\n")[0])


def _arguments(cls: Any) -> dict[str, str]:
    """Described in the docstring of the class, or of its constructor."""
    documented = [cls.docstring, cls.members["__init__"].docstring if "__init__" in cls.members else None]
    sections = [section for text in documented if text is not None for section in text.parse("google", warnings=False)]
    return {
        item.name: plain(item.description)
        for section in sections
        if section.kind.value == "parameters"
        for item in section.value
    }


def plain(text: str) -> str:
    """One line, in which code stands between single backticks."""
    text = re.sub(r":\w+:`~?([^`]+)`", lambda match: f"`{match[1].rpartition('.')[2]}`", text)
    return " ".join(text.replace("``", "`").split())
