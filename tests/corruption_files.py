"""A photograph, what another implementation makes of it, and small real images, for the tests of corruptions."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pyarrow.parquet import read_table

from fusion_bench.dataset.corruptions.registry import corrupt
from fusion_bench.dataset.images import to_rgb
from fusion_bench.suites.shipped import shipped_directory

FOLDER = Path(__file__).parent / "oracle" / "corruptions"
SEED = 20  # of the numbers that the other implementation drew


@cache
def photograph() -> NDArray[np.uint8]:
    """Real pixels, ``(136, 144, 3)``."""
    return np.asarray(Image.open(FOLDER / "input.png").convert("RGB"))


@cache
def small_image() -> NDArray[np.uint8]:
    """An image of the shipped suite, ``(32, 32, 3)``."""
    rows = read_table(shipped_directory("tiny8/clipart") / "test.parquet", columns=["image"])
    return np.asarray(to_rgb(rows["image"][0].as_py()))


@cache
def _expected() -> dict[str, NDArray[np.uint8]]:
    with np.load(FOLDER / "expected.npz") as file:
        return dict(file)


def both(name: str, severity: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Every fourth pixel of the corrupted photograph: ours, and that of the other implementation."""
    ours = corrupt(name, photograph(), severity, np.random.RandomState(SEED))  # the stream of this class is frozen
    return ours[1::4, 1::4].astype(np.int64), _expected()[f"{name}_{severity}"].astype(np.int64)
