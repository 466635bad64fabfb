"""Batches of preprocessed images, which are prepared once and kept: on disk, else in memory."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from fusion_bench.dataset.kept_pixels import Batch, Kept, MemoryPixels, Sink
from fusion_bench.dataset.pixel_file import DamagedPixelsError
from fusion_bench.dataset.pixel_store import PixelStore
from fusion_bench.dataset.pixels import EncodedImages
from fusion_bench.utils.executors import available_cores

log = logging.getLogger(__name__)

DEFAULT_BATCH_SIZE = 128
_OWN_OPTIONS = ("dataset", "sampler", "batch_sampler", "collate_fn")


class PixelBatches:
    """The batches of a data set, always the same; what one complete pass has prepared is kept for the next.

    Args:
        encoded: the data set.
        options: arguments of ``DataLoader``; every image is always scored once, in order. Without ``num_workers``,
            images are prepared in threads of this process.
        keep_bytes: keep in memory what no store keeps, if it takes no more than this.
        first_only: only the first batch.
        store: keeps images of known origin between runs.

    Raises:
        ValueError: for options that would leave out, repeat or reorder images.
    """

    def __init__(
        self,
        encoded: EncodedImages,
        options: Mapping[str, Any],
        *,
        keep_bytes: int,
        first_only: bool = False,
        store: PixelStore | None = None,
    ) -> None:
        check_loader_options(options)
        self._encoded, self._store, self._keep_bytes = encoded, store, keep_bytes
        self._options = {key: value for key, value in options.items() if key != "batch_size"}
        size = int(options.get("batch_size", DEFAULT_BATCH_SIZE))
        starts = range(0, size if first_only else len(encoded), size)
        self._ranges = [range(start, min(start + size, len(encoded))) for start in starts]
        self._loader(self._ranges)  # finds wrong options now
        self._key = encoded.key if store is not None else None
        self._kept: Kept | None = None
        self.kept_bytes = 0  # in memory

    def __len__(self) -> int:
        return len(self._ranges)

    def __iter__(self) -> Iterator[Batch]:
        """Encoded images and labels, on the CPU."""
        return self.share(0, 1)

    def share(self, rank: int, world_size: int) -> Iterator[Batch]:
        """Every ``world_size``-th batch, beginning with number ``rank``."""
        ranges = self._ranges[rank::world_size]
        kept = self._find()
        if kept is None:
            yield from self._read(ranges, keep=world_size == 1)
            return
        for number, indices in enumerate(ranges):
            try:
                batch = kept.batch(indices.start, indices.stop)
            except DamagedPixelsError as error:
                self._discard(error)
                yield from self._read(ranges[number:], keep=False)
                return
            yield batch

    def prepare(self) -> None:
        """Put the images into the store, if there is one that takes them and they are not there."""
        if self._key is not None and self._find() is None:
            for _ in self:
                pass

    def _find(self) -> Kept | None:
        """What is kept; looks into the store, where another process may have put it."""
        if self._kept is None and self._store is not None and self._key is not None:
            found = self._store.open(self._key)
            if found is not None and len(found.labels) == len(self._encoded):
                self._kept = found
        return self._kept

    def _discard(self, error: Exception) -> None:
        log.warning("a file of preprocessed images is damaged and will be made again: %s", error)
        self._kept = None
        if self._store is not None and self._key is not None:
            self._store.remove(self._key)

    def _read(self, ranges: Sequence[range], *, keep: bool) -> Iterator[Batch]:
        """Prepare batches, and keep them where all images are among them."""
        keep = keep and sum(map(len, ranges)) == len(self._encoded)
        sink: Sink | None = None
        try:
            for number, (pixels, labels) in enumerate(self._prepared(ranges)):
                if keep and number == 0:
                    sink = self._sink(pixels[0])
                if sink is not None and not _succeeds(sink.add, pixels, labels):
                    sink = None
                yield pixels, labels
            if sink is not None and _succeeds(sink.finish) and isinstance(sink, MemoryPixels):
                self._kept, self.kept_bytes = sink, sink.size
        finally:
            if sink is not None:
                sink.abandon()

    def _sink(self, first: Tensor) -> Sink | None:
        """Where to keep images like ``first``: on disk, else in memory, else nowhere."""
        count = len(self._encoded)
        if self._store is not None and self._key is not None and first.dtype == torch.uint8:
            writer = self._store.create(self._key, count, first.shape)
            if writer is not None:
                return writer
        fits = count * first.numel() * first.element_size() <= self._keep_bytes
        return MemoryPixels(count, first) if fits else None

    def _prepared(self, ranges: Sequence[range]) -> Iterator[Batch]:
        if self._options.get("num_workers"):
            yield from self._loader(ranges)
            return
        with ThreadPoolExecutor(available_cores()) as threads:
            for indices in ranges:
                yield self._encoded.batch(indices, threads)

    def _loader(self, ranges: Sequence[range]) -> DataLoader[Any]:
        # A loader without a generator of its own draws from the global random state.
        options = {"generator": torch.Generator(), **self._options}
        return DataLoader(self._encoded, batch_sampler=[list(indices) for indices in ranges], **options)


def check_loader_options(options: Mapping[str, Any]) -> None:
    """Check that a data loader with these options gives every image once, in order.

    Raises:
        ValueError: naming the option that does not.
    """
    for option in ("shuffle", "drop_last"):
        if options.get(option):
            raise ValueError(f"dataloader_kwargs.{option} must be false for scoring: every image counts once, in order")
    for option in _OWN_OPTIONS:
        if option in options:
            raise ValueError(f"dataloader_kwargs.{option} cannot be set: the task pool decides it")


def _succeeds(act: Callable[..., None], *arguments: object) -> bool:
    """Whether something could be written; if not, the run goes on without."""
    try:
        act(*arguments)
    except OSError as error:
        log.warning("preprocessed images are not kept on disk: %s", error)
        return False
    return True
