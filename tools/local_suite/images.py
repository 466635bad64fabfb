"""Arrays of images, and the Parquet files they are written to."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fusion_bench.utils.files import atomic_path

IMAGE_SIZE = 32
Pixels: TypeAlias = NDArray[np.uint8]
Labels: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True)
class Images:
    """Grey pixels of shape (n, 32, 32) and one label each."""

    pixels: Pixels
    labels: Labels

    def __len__(self) -> int:
        return len(self.labels)

    def select(self, indices: NDArray[np.int64]) -> Images:
        """The images at ``indices``, in that order."""
        return Images(self.pixels[indices], self.labels[indices])


@dataclass(frozen=True)
class Captioned:
    """Grey pixels of shape (n, 32, 32) from one source, and the captions that fit each."""

    source: str
    pixels: Pixels
    captions: tuple[tuple[str, ...], ...]


Splits: TypeAlias = dict[str, Images]


def resize(pixels: Pixels) -> Pixels:
    """Square grey images of any size as (n, 32, 32)."""
    size = (IMAGE_SIZE, IMAGE_SIZE)
    return np.stack([np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC)) for image in pixels])


def to_png(pixels: Pixels) -> bytes:
    """One grey image, (32, 32), as an RGB picture in PNG format."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).convert("RGB").save(buffer, format="PNG")
    return buffer.getvalue()


def write_parquet(images: Images, classes: tuple[str, ...], path: Path) -> None:
    """Write the columns ``image`` (PNG) and ``label`` with the class names, as ``datasets`` reads them."""
    from datasets import ClassLabel, Dataset, Features
    from datasets import Image as ImageFeature

    features = Features({"image": ImageFeature(), "label": ClassLabel(names=list(classes))})
    rows: dict[str, Any] = {
        "image": [{"bytes": to_png(pixels), "path": None} for pixels in images.pixels],
        "label": images.labels.tolist(),
    }
    with atomic_path(path) as partial:
        Dataset.from_dict(rows, features=features).to_parquet(str(partial))


def read_parquet(path: Path) -> Images:
    """The images of a file that :func:`write_parquet` wrote."""
    import pyarrow.parquet as parquet

    table = parquet.read_table(path)
    pictures = [np.asarray(Image.open(io.BytesIO(row["bytes"])).convert("L")) for row in table["image"].to_pylist()]
    return Images(np.stack(pictures), np.asarray(table["label"].to_pylist(), dtype=np.int64))
