"""The captioned images that the base model is pretrained on, drawn source by source."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SHARES = {  # of a batch; a source that is not named here is an error
    "icons": 0.17,
    "letters": 0.07,
    "scripts": 0.05,
    "colour icons": 0.20,
    "digits": 0.07,
    "emoji": 0.18,
    "emoji tones": 0.03,
    "clip art": 0.16,
    "style": 0.05,
    "signs": 0.016,
    "fashion": 0.004,
}


@dataclass(frozen=True)
class Pool:
    """Images, ``(N, 32, 32, 3)`` uint8, each with the numbers of the captions that fit it."""

    images: NDArray[np.uint8]
    captions: tuple[str, ...]
    pairs: tuple[NDArray[np.int64], ...]
    weights: NDArray[np.float64]  # (N,), the chance to be drawn; they sum to 1

    def draw(self, count: int, rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Numbers of ``count`` images and, for each, of one of its captions."""
        chosen = rng.choice(len(self.pairs), count, p=self.weights)
        captions = [self.pairs[index][rng.integers(len(self.pairs[index]))] for index in chosen]
        return chosen.astype(np.int64), np.array(captions, dtype=np.int64)


def read_pool(folder: Path) -> Pool:
    """The pool that ``python -m tools.tiny8.data`` writes.

    Raises:
        KeyError: for a source of images that :data:`SHARES` does not know.
    """
    sources = np.array(json.loads((folder / "sources.json").read_text()))
    weights = np.zeros(len(sources))
    for source in sorted(set(sources.tolist())):
        members = sources == source
        weights[members] = SHARES[source] / members.sum()
    pairs = tuple(np.array(numbers, dtype=np.int64) for numbers in json.loads((folder / "pairs.json").read_text()))
    captions = tuple(json.loads((folder / "captions.json").read_text()))
    return Pool(np.load(folder / "images.npy"), captions, pairs, weights / weights.sum())
