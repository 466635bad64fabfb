"""The two kinds of picture that are made here: with a label for a task, with captions for pretraining."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from tools.tiny8.data.assign import number
from tools.tiny8.data.draw import Pixels


@dataclass(frozen=True)
class Example:
    """A picture (32, 32, 3) of a task with its class and what the splits keep apart."""

    pixels: Pixels
    label: int
    identity: str


@dataclass(frozen=True)
class Captioned:
    """A picture (32, 32, 3) and what can be said of it; pictures of one source are drawn alike often."""

    pixels: Pixels
    captions: tuple[str, ...]
    source: str
    identity: str = ""  # what the splits of the tasks keep apart


class Labelled(Protocol):
    """What has a class and something that the splits keep apart."""

    @property
    def label(self) -> int:
        """The index of the class."""

    @property
    def identity(self) -> str:
        """What may be on one side only."""


Candidate = TypeVar("Candidate", bound=Labelled)


def balanced(
    examples: Iterable[Candidate], size: int, classes: int, *key: object, largest: float = 1.0
) -> list[Candidate]:
    """About ``size`` examples, as many of each class as the scarce ones allow, identities taken in turns.

    Args:
        examples: to choose from.
        size: how many are wanted; fewer come where there are not enough.
        classes: the number of classes.
        key: what the choice depends on.
        largest: share of ``size`` that no class may exceed.
    """
    by_class: dict[int, list[Candidate]] = {label: [] for label in range(classes)}
    for example in examples:
        by_class[example.label].append(example)
    order = {label: _in_turns(found, (*key, label)) for label, found in by_class.items()}
    quotas = share_out([min(len(order[label]), int(largest * size)) for label in range(classes)], size)
    return [example for label, quota in enumerate(quotas) for example in order[label][:quota]]


def _in_turns(examples: list[Candidate], key: tuple[object, ...]) -> list[Candidate]:
    """The first of each identity, then the second of each, and so on, identities in a random order."""
    turns: dict[str, int] = {}
    ranked = []
    for position, example in sorted(enumerate(examples), key=lambda pair: number(*key, pair[0])):
        turn = turns[example.identity] = turns.get(example.identity, -1) + 1
        ranked.append((turn, number(*key, example.identity), position, example))
    return [row[-1] for row in sorted(ranked, key=lambda row: row[:3])]


def share_out(available: list[int], size: int) -> list[int]:
    """Equal quotas that sum to ``size`` where enough is available; what scarce ones lack goes to the others."""
    quotas = [0] * len(available)
    left = size
    while left > 0:
        open_ones = [index for index, count in enumerate(available) if quotas[index] < count]
        if not open_ones:
            break
        step = max(1, left // len(open_ones))
        for index in open_ones[:left]:
            added = min(step, available[index] - quotas[index])
            quotas[index] += added
            left -= added
    return quotas
