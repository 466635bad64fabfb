"""Which pictures are the same but for details: a perceptual hash, checked by the pixels, joined into groups."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dctn

from tools.tiny8.data.draw import Pixels

_HASH_SIDE = 8
_COARSE_SIDE = 8
_BLOCK = 1024


def perceptual_hash(pictures: Pixels) -> NDArray[np.bool_]:
    """64 bits of each picture (n, s, s, 3): is a low-frequency cosine coefficient of its grey above the median?"""
    grey = pictures.astype(np.float32).mean(axis=-1)
    low = dctn(grey, axes=(1, 2), norm="ortho")[:, :_HASH_SIDE, :_HASH_SIDE].reshape(len(grey), -1)
    return np.asarray(low > np.median(low[:, 1:], axis=1, keepdims=True))


def coarse(pictures: Pixels) -> NDArray[np.float32]:
    """Each picture (n, s, s, 3) averaged to 8x8 colours, one row each."""
    count, side = len(pictures), pictures.shape[1] // _COARSE_SIDE
    tiles = pictures.reshape(count, _COARSE_SIDE, side, _COARSE_SIDE, side, 3)
    return np.asarray(tiles.mean(axis=(2, 4), dtype=np.float32).reshape(count, -1))


def near_pairs(pictures: Pixels, others: Pixels, bits: int = 10, distance: float = 12.0) -> list[tuple[int, int]]:
    """Pairs (row of ``pictures``, row of ``others``) that look alike.

    Args:
        pictures: (n, s, s, 3), laid over one ground.
        others: (m, s, s, 3), over the same ground.
        bits: largest number of different bits of the perceptual hashes, of 64.
        distance: largest root mean square difference of the coarse pictures, of 255.
    """
    found: list[tuple[int, int]] = []
    signs_right = 2 * perceptual_hash(others).astype(np.float32) - 1
    right = coarse(others)
    for start in range(0, len(pictures), _BLOCK):
        block = pictures[start : start + _BLOCK]
        agreement = (2 * perceptual_hash(block).astype(np.float32) - 1) @ signs_right.T
        rows, columns = np.nonzero(agreement >= 64 - 2 * bits)
        difference = np.sqrt(np.mean((coarse(block)[rows] - right[columns]) ** 2, axis=1))
        close = difference <= distance
        found += [(start + int(row), int(column)) for row, column in zip(rows[close], columns[close], strict=True)]
    return found


class Groups:
    """Things joined into groups, each named by its first member in sorted order."""

    def __init__(self, members: Iterable[str]) -> None:
        self._parent = {member: member for member in members}

    def find(self, member: str) -> str:
        """The name of the member's group."""
        while self._parent[member] != member:
            self._parent[member] = self._parent[self._parent[member]]
            member = self._parent[member]
        return member

    def join(self, one: str, other: str) -> None:
        """Make one group of the groups of two members."""
        first, second = sorted((self.find(one), self.find(other)))
        self._parent[second] = first

    def join_by(self, keys: Sequence[Hashable], members: Sequence[str]) -> None:
        """Join the members that have the same key."""
        first: dict[Hashable, str] = {}
        for key, member in zip(keys, members, strict=True):
            self.join(first.setdefault(key, member), member)
