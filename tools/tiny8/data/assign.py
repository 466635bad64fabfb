"""Numbers that depend on names alone, so that the same inputs always fall on the same sides."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import blake2b

import numpy as np

PRETRAINING, TRAIN, VALIDATION, TEST = "pretraining", "train", "validation", "test"
SPLITS = (TRAIN, VALIDATION, TEST)  # what a task has; the pretraining part is nobody's


def number(*key: object) -> int:
    """A 64-bit number that looks random and depends on ``key`` only."""
    text = "\x1f".join(map(str, key)).encode()
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "big")


def fraction(*key: object) -> float:
    """A number in [0, 1) that depends on ``key`` only."""
    return (number(*key) >> 11) / 2**53


def generator(*key: object) -> np.random.Generator:
    """A random generator of its own for ``key``."""
    return np.random.default_rng(number(*key))


def side(shares: Mapping[str, float], *key: object) -> str:
    """The name that ``key`` falls on, each drawn with its share; the shares sum to one."""
    position = fraction(*key)
    for name, share in shares.items():
        position -= share
        if position < 0:
            return name
    return list(shares)[-1]


def shuffled(names: Iterable[str], *salt: object) -> list[str]:
    """``names`` in an order that depends on each name and ``salt`` only."""
    return sorted(names, key=lambda name: (number(*salt, name), name))
