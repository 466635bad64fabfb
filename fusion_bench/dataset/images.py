"""Images with integer labels, whatever a data set calls its columns and however it stores them."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import ExifTags, Image, ImageOps
from torch import Tensor
from torch.utils.data import Subset

from fusion_bench.models.fingerprint import file_hashes
from fusion_bench.utils.cache import digest

IMAGE_COLUMNS = ("image", "img", "jpg", "jpeg", "png", "webp")
LABEL_COLUMNS = ("label", "labels", "fine_label", "cls", "class", "target")


@dataclass(frozen=True)
class LabelledImages:
    """A data set of ``(image, label)``: an RGB image or a tensor that is ready for the model, and a class index.

    Args:
        rows: any sequence of mappings by column, or of ``(image, label)`` pairs.
        image_column: its column of images; None where rows are pairs.
        label_column: its column of labels: integers, bools, or names of classes.
        classnames: the classes in the order of the labels; needed for labels that are names.
        origin: where the rows come from, for error messages.
        files: what the rows were read from; empty where that is not known, as for rows in memory.
        part: which part of the files the rows are.
        classes: labels as they are stored that the rows are of, and that labels are counted in; None is all.
    """

    rows: Any
    image_column: str | None = None
    label_column: str | None = None
    classnames: tuple[str, ...] | None = None
    origin: str = "the data set"
    files: tuple[Path, ...] = ()
    part: str = ""
    classes: tuple[int, ...] | None = None

    @classmethod
    def of(
        cls, rows: Any, *, origin: str, image_column: str | None = None, label_column: str | None = None
    ) -> LabelledImages:
        """Wrap rows after finding the columns of images and labels; given columns win.

        Raises:
            KeyError: if a column is not there, or none of the usual names is; lists the columns.
            TypeError: if the rows have no length or no index, as those of a streamed data set.
            ValueError: if there are no rows, or they are a mapping of splits.
        """
        if isinstance(rows, LabelledImages):
            return rows
        if isinstance(rows, Mapping):
            raise ValueError(f"{origin} has the splits {list(rows)}; name one of them")
        if not hasattr(rows, "__len__") or not hasattr(rows, "__getitem__"):
            raise TypeError(f"{origin} is a {type(rows).__name__}, which has no length or no index")
        if len(rows) == 0:
            raise ValueError(f"{origin} has no images")
        columns = getattr(rows, "column_names", None)
        if columns is None:
            first = rows[0]
            if not isinstance(first, Mapping):
                return cls(rows, origin=origin)
            columns = list(first)
        image = find_column(columns, image_column, IMAGE_COLUMNS, "image", origin)
        label = find_column(columns, label_column, LABEL_COLUMNS, "label", origin)
        if hasattr(rows, "select_columns"):
            rows = _undecoded(rows.select_columns([image, label]), image)  # other columns are not read
        return cls(rows, image, label, origin=origin)

    def with_classnames(self, classnames: Sequence[str]) -> LabelledImages:
        """The same images with labels counted in ``classnames``."""
        return replace(self, classnames=tuple(classnames))

    def of_classes(self, classes: Sequence[int]) -> LabelledImages:
        """The images of some classes, with labels counted in ``classes``.

        Raises:
            ValueError: if there is no such image.
        """
        rows = self.rows
        if hasattr(rows, "select_columns") and self.label_column is not None:
            rows = rows.select_columns([self.label_column])  # images are not read
        chosen = [index for index in range(len(rows)) if self.label(rows[index], index) in classes]
        if not chosen:
            raise ValueError(f"{self.origin} has no image of the classes {list(classes)}")
        part = f"{self.part} of the classes {list(classes)}"
        return replace(self, rows=Subset(self.rows, chosen), classes=tuple(classes), part=part)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> tuple[Image.Image | Tensor, int]:
        row = self.row(index)
        return self.image(row, index), self.label(row, index)

    def row(self, index: int) -> Any:
        """Image and label as they are stored."""
        return self.rows[index]

    def image(self, row: Any, index: int) -> Image.Image | Tensor:
        """The image of a row, which has number ``index``; see :func:`to_rgb`."""
        return to_rgb(row[0] if self.image_column is None else row[self.image_column])

    def label(self, row: Any, index: int) -> int:
        """The class of a row, which has number ``index``."""
        label = row[1] if self.image_column is None else row[self.label_column]
        found = class_index(label, self.classnames, f"{self.origin}, row {index}")
        return found if self.classes is None else self.classes.index(found)

    @cached_property
    def fingerprint(self) -> str | None:
        """Says which images with which labels these are; None where ``files`` does not say it."""
        if not self.files:
            return None
        # The folder of an image may be its label.
        contents = [[path.parent.name, path.name, sha256] for path, sha256 in file_hashes().of(self.files).items()]
        return digest(contents, self.part, self.image_column, self.label_column, self.classnames)


def find_column(columns: Sequence[str], given: str | None, usual: Sequence[str], kind: str, origin: str) -> str:
    """The column a user gave, else the first of the usual names.

    Raises:
        KeyError: naming the columns there are.
    """
    for name in (given,) if given is not None else usual:
        if name in columns:
            return name
    looked_for = repr(given) if given is not None else ", ".join(usual)
    raise KeyError(f"{origin} has no {kind} column {looked_for}; it has {list(columns)}. Give {kind}_column")


def to_rgb(image: Any) -> Image.Image | Tensor:
    """An RGB image from a PIL image, an array ``(height, width[, channels])``, encoded bytes or a path.

    A tensor of floating-point numbers is given back as it is: it counts as ready for the model. One of bytes is an
    image ``(channels, height, width)``.

    Raises:
        TypeError: if it is none of these.
    """
    if isinstance(image, Tensor):
        if image.dtype != torch.uint8:
            return image
        image = image.permute(1, 2, 0).numpy()
    if isinstance(image, Mapping) and ("bytes" in image or "path" in image):
        image = image.get("bytes") or image.get("path")
    if isinstance(image, bytes):
        image = _upright(Image.open(io.BytesIO(image)))
    elif isinstance(image, str | os.PathLike):
        image = _upright(Image.open(image))  # closed by convert, which reads it to its end
    elif isinstance(image, list | np.ndarray):
        image = Image.fromarray(np.asarray(image, dtype=np.uint8))
    if not isinstance(image, Image.Image):
        raise TypeError(f"an image is a {type(image).__name__}; expected a PIL image, an array, bytes or a path")
    rgb: Image.Image = image.convert("RGB")
    return rgb


def _upright(image: Image.Image) -> Image.Image:
    """The image turned as its EXIF data say, which is what ``datasets`` does when it decodes one."""
    return ImageOps.exif_transpose(image) if image.getexif().get(ExifTags.Base.Orientation) else image


def _undecoded(rows: Any, column: str) -> Any:
    """Rows of ``datasets`` with images as they are stored, to be decoded in threads; other rows as they are."""
    from datasets import Dataset
    from datasets import Image as ImageFeature

    plain = isinstance(rows, Dataset) and rows.format["type"] is None
    if not plain or not isinstance(rows.features[column], ImageFeature):
        return rows
    return rows.cast_column(column, ImageFeature(decode=False))


def class_index(label: Any, classnames: Sequence[str] | None, where: str) -> int:
    """A label as an index; a name is looked up in ``classnames``, also with spaces written as underscores.

    Raises:
        ValueError: if the label is outside the classes, or is a name that none of them has.
    """
    if isinstance(label, str):
        index = _index_of_name(label, classnames or ())
        if index is None:
            some = list(classnames or ())[:5]
            raise ValueError(f"{where}: the label {label!r} is none of the {len(classnames or ())} class names {some}…")
        return index
    index = int(label)
    if classnames is not None and not 0 <= index < len(classnames):
        raise ValueError(f"{where}: the label {index} is outside 0..{len(classnames) - 1}, the classes of the task")
    return index


def _index_of_name(label: str, classnames: Sequence[str]) -> int | None:
    for spelling in (label, label.replace("_", " ")):
        if spelling in classnames:
            return list(classnames).index(spelling)
    return int(label) if label.isdecimal() and int(label) < len(classnames) else None
