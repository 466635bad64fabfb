"""The facial expressions of FER2013, stored as a WebDataset with the columns ``jpg`` and ``cls``."""

from __future__ import annotations

from pathlib import Path

from fusion_bench.dataset.images import LabelledImages
from fusion_bench.dataset.loading import load_image_classification


def load_fer2013(
    split: str = "test", *, path: str | Path = "clip-benchmark/wds_fer2013", cache_dir: str | Path | None = None
) -> LabelledImages:
    """Faces with labels in the order of the class names ``fer2013``.

    Args:
        split: ``train`` or ``test``.
        path: Hub id, or a directory with the same columns.
        cache_dir: where downloads are kept; None is the data set library's own cache.

    Raises:
        FileNotFoundError: if there is no such data set or split.
    """
    return load_image_classification(path, split=split, image_column="jpg", label_column="cls", cache_dir=cache_dir)
