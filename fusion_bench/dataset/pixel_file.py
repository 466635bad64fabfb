"""A safetensors file of preprocessed images: written in order, read as a memory map, damage noticed block by block."""

from __future__ import annotations

import contextlib
import json
import os
import uuid
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor

from fusion_bench.models.mapped import tensor_names

PARTIAL = ".partial-"
_BLOCK_BYTES = 1 << 20


class DamagedPixelsError(Exception):
    """A block of a file is not what was written."""


@dataclass(frozen=True)
class StoredPixels:
    """Mapped images ``(images, channels, height, width)`` uint8 and their labels ``(images,)`` int64."""

    pixels: Tensor
    labels: Tensor
    checksums: Tensor  # of each block of images and of the labels, (blocks + 1,) int64
    compared: list[bool]  # whether a block is known to be what was written

    @classmethod
    def read(cls, path: Path, key: str) -> StoredPixels:
        """Map a file.

        Raises:
            OSError: if it cannot be read.
            ValueError: if it is not complete, or was written under another key.
            SafetensorError: if it is not in the format.
        """
        tensor_names(path, "preprocessed images")
        with safe_open(path, framework="pt") as file:
            if (file.metadata() or {}).get("key") != key:
                raise ValueError("it was written for other images")
            labels, checksums, pixels = (file.get_tensor(name) for name in ("labels", "checksums", "pixels"))
        if zlib.crc32(labels.numpy().data) != int(checksums[-1]):
            raise ValueError("its labels are not those that were written")
        return cls(pixels, labels.clone(), checksums.clone(), [False] * (len(checksums) - 1))

    def batch(self, start: int, stop: int) -> tuple[Tensor, Tensor]:
        """Images and labels from ``start`` to before ``stop``, as views.

        Raises:
            DamagedPixelsError: if they are not what was written.
        """
        size = images_per_block(self.pixels.shape[1:])
        for block in range(start // size, -(-stop // size)):
            if not self.compared[block]:
                found = zlib.crc32(self.pixels[block * size : (block + 1) * size].numpy().data)
                if found != int(self.checksums[block]):
                    raise DamagedPixelsError(f"block {block} has the checksum {found}, not {self.checksums[block]}")
                self.compared[block] = True
        return self.pixels[start:stop], self.labels[start:stop]


class PixelWriter:
    """Writes the images of one file in order, under a temporary name until it is complete.

    Args:
        path: the file.
        key: what it is found by.
        count: how many images there will be.
        shape: of one image, ``(channels, height, width)``.

    Raises:
        OSError: if the disk is full or cannot be written to. Whatever fails, here or later, removes the partial file.
    """

    def __init__(self, path: Path, key: str, count: int, shape: Sequence[int]) -> None:
        self._path, self._count = path, count
        self._partial = path.with_name(f"{PARTIAL}{uuid.uuid4().hex}")
        self._block = images_per_block(shape)
        self._in_block = self._checksum = 0
        self._labels: list[Tensor] = []
        self._checksums: list[int] = []
        self._header, self._pixels_at, size = _layout(key, count, shape, -(-count // self._block) + 1)
        self._file = self._partial.open("wb")
        with self._removing():
            if hasattr(os, "posix_fallocate"):  # a full disk shows now
                os.posix_fallocate(self._file.fileno(), 0, size)
            self._file.seek(self._pixels_at)

    def add(self, pixels: Tensor, labels: Tensor) -> None:
        """Write the next images, ``(images, channels, height, width)`` uint8, and their labels."""
        with self._removing():
            for start, stop in self._pieces(len(pixels)):
                data = pixels[start:stop].contiguous().numpy().data
                self._file.write(data)
                self._checksum = zlib.crc32(data, self._checksum)
                self._in_block += stop - start
                if self._in_block == self._block:
                    self._end_block()
        self._labels.append(labels)

    def finish(self) -> None:
        """Give the complete file its name.

        Raises:
            ValueError: if not all images were added.
        """
        with self._removing():
            if self._in_block:
                self._end_block()
            labels = torch.cat(self._labels).to(torch.int64).numpy()
            if len(labels) != self._count:
                raise ValueError(f"{len(labels)} of {self._count} images were written")
            checksums = torch.tensor([*self._checksums, zlib.crc32(labels.data)])
            self._file.seek(0)
            for data in (self._header, labels.data, checksums.numpy().data):
                self._file.write(data)
            self._file.close()
            os.replace(self._partial, self._path)

    def abandon(self) -> None:
        """Remove the partial file; does nothing after :meth:`finish`."""
        for act in (self._file.close, self._partial.unlink):
            with contextlib.suppress(OSError):  # what could not be written fails once more; what is gone is gone
                act()

    def _pieces(self, count: int) -> Iterator[tuple[int, int]]:
        """Ranges of the next images that do not cross the end of a block."""
        start = 0
        while start < count:
            stop = min(count, start + self._block - self._in_block)
            yield start, stop
            start = stop

    def _end_block(self) -> None:
        self._checksums.append(self._checksum)
        self._checksum = self._in_block = 0

    @contextlib.contextmanager
    def _removing(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self.abandon()
            raise


def images_per_block(shape: Sequence[int]) -> int:
    """How many images share a checksum: about a mebibyte of them."""
    return max(1, _BLOCK_BYTES // prod(shape))


def _layout(key: str, count: int, shape: Sequence[int], checksums: int) -> tuple[bytes, int, int]:
    """The header of the file, where the images begin and where the file ends."""
    tensors = (
        ("labels", "I64", [count], 8),
        ("checksums", "I64", [checksums], 8),
        ("pixels", "U8", [count, *shape], 1),
    )
    entries: dict[str, object] = {"__metadata__": {"format": "pt", "key": key}}
    start = end = 0
    for name, dtype, dimensions, width in tensors:
        start, end = end, end + width * prod(dimensions)
        entries[name] = {"dtype": dtype, "shape": dimensions, "data_offsets": [start, end]}
    text = json.dumps(entries).encode("utf-8")
    text += b" " * (-len(text) % 8)
    header = len(text).to_bytes(8, "little") + text
    return header, len(header) + start, len(header) + end
