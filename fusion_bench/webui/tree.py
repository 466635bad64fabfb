"""The options of a run as values: what can be chosen, what can be set, its default and its documentation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from fusion_bench.webui.values import literal


@dataclass(frozen=True)
class Option:
    """One key with a value of its own."""

    key: str  # method.alpha
    default: Any
    documentation: str = ""

    @property
    def name(self) -> str:
        """The last part of the key."""
        return self.key.rpartition(".")[2]

    @property
    def is_switch(self) -> bool:
        """Whether it is on or off."""
        return isinstance(self.default, bool)

    @property
    def default_text(self) -> str:
        """The default as one would type it."""
        if self.default == "???":
            return "required"
        return self.default if isinstance(self.default, str) and self.default else literal(self.default)


@dataclass(frozen=True)
class Section:
    """A part of the configuration: its options, and parts of its own."""

    key: str
    title: str
    documentation: str = ""
    options: tuple[Option, ...] = ()
    sections: tuple[Section, ...] = ()

    def walk(self) -> Iterator[Option]:
        """Every option in it, at any depth."""
        yield from self.options
        for section in self.sections:
            yield from section.walk()


@dataclass(frozen=True)
class Group:
    """A choice between configuration files."""

    key: str  # fabric/loggers
    title: str
    default: str
    options: tuple[str, ...]


@dataclass(frozen=True)
class Tree:
    """What can be set once the groups are chosen, and every ``_target_`` by the key it stands at."""

    groups: tuple[Group, ...]
    sections: tuple[Section, ...]
    targets: Mapping[str, str] = field(default_factory=dict)

    def walk(self) -> Iterator[Option]:
        """Every option of the tree."""
        for section in self.sections:
            yield from section.walk()
