"""Validation images for data sets that come without: a share of another split, the same in every run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from torch.utils.data import Subset

from fusion_bench.dataset.images import LabelledImages
from fusion_bench.dataset.loading import load_image_classification


def load_held_out(
    path: str | Path,
    *,
    share: float = 0.1,
    seed: int = 0,
    split: str = "train",
    name: str | None = None,
    image_column: str | None = None,
    label_column: str | None = None,
    data_dir: str | None = None,
    cache_dir: str | Path | None = None,
) -> LabelledImages:
    """A random share of the images of ``split``, at least one, in their order.

    Args:
        path: as all arguments not named here, that of :func:`load_image_classification`.
        share: how much of the split, in (0, 1).
        seed: which images.
        split: the split they are taken from.

    Raises:
        ValueError: if ``share`` is out of its range.
    """
    if not 0 < share < 1:
        raise ValueError(f"share must be in (0, 1), got {share}")
    images = load_image_classification(
        path,
        split=split,
        name=name,
        image_column=image_column,
        label_column=label_column,
        data_dir=data_dir,
        cache_dir=cache_dir,
    )
    chosen = np.random.default_rng(seed).permutation(len(images))[: max(1, round(share * len(images)))]
    return replace(
        images,
        rows=Subset(images.rows, sorted(map(int, chosen))),
        origin=f"{share:g} of the {images.origin}",
        part=f"{images.part}, {share!r} held out by seed {seed}",
    )
