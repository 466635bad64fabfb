"""Examples as Parquet files that ``datasets`` reads, the same bytes each time."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from datasets import ClassLabel, Features, Image, Value
from PIL import Image as PillowImage

from fusion_bench.utils.files import atomic_path
from tools.tiny8.data.draw import Pixels, to_png
from tools.tiny8.data.examples import Example


def features(classes: Sequence[str]) -> Features:
    """The columns: ``image``, read as RGB, ``label`` with the class names, ``identity``."""
    return Features({"image": Image(mode="RGB"), "label": ClassLabel(names=list(classes)), "identity": Value("string")})


def write(examples: Sequence[Example], classes: Sequence[str], path: Path) -> None:
    """Write a file of PNG images in the given order; nothing in it depends on when it is written."""
    columns: dict[str, list[Any]] = {
        "image": [{"bytes": to_png(example.pixels), "path": None} for example in examples],
        "label": [example.label for example in examples],
        "identity": [example.identity for example in examples],
    }
    table = pa.table(columns, schema=features(classes).arrow_schema)
    with atomic_path(path) as partial:
        pq.write_table(table, partial, compression="zstd", compression_level=19, row_group_size=100, store_schema=True)


def read(path: Path) -> tuple[list[Example], list[bytes]]:
    """The examples of a file and the PNG of each."""
    rows = pq.read_table(path).to_pylist()
    encoded = [row["image"]["bytes"] for row in rows]
    decoded = (_decode(png) for png in encoded)
    return [Example(pixels, row["label"], row["identity"]) for pixels, row in zip(decoded, rows, strict=True)], encoded


def _decode(png: bytes) -> Pixels:
    with PillowImage.open(io.BytesIO(png)) as image:
        return np.asarray(image.convert("RGB"))
