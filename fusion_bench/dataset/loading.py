"""Image classification data from the Hub or from a directory in one of the usual layouts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from fusion_bench.dataset.images import LabelledImages
from fusion_bench.dataset.layout import Layout, find_layout, hub_patterns, nothing_there, parquet_files
from fusion_bench.models.fingerprint import file_hashes
from fusion_bench.sources.needed import Choice, Needed
from fusion_bench.utils.cache import digest

_SMALL = 1 << 27  # bytes of Parquet that are read into memory


def load_image_classification(
    path: str | Path,
    *,
    split: str = "test",
    name: str | None = None,
    image_column: str | None = None,
    label_column: str | None = None,
    data_dir: str | None = None,
    cache_dir: str | Path | None = None,
) -> LabelledImages:
    """Images with labels.

    A directory, or a data set of a shipped suite, is read without touching the network. It is one of: what
    ``save_to_disk`` wrote; Parquet files ``<split>.parquet`` or ``<split>-*.parquet``, also below ``data/`` or
    ``<name>/``; a folder of images by class, ``<split>/<class>/*.png`` or ``<class>/*.png``; a copy of a Hub
    repository in another format that the data set library knows. Anything else is the id of a data set on the Hub.

    Args:
        path: the directory, the name of a shipped data set such as ``tiny8/mnist``, or the id.
        split: which part, by its name in the data set.
        name: the configuration of a data set that has several.
        image_column: column of the images; found by its usual names where not given.
        label_column: column of the labels; likewise.
        data_dir: a folder inside the data set.
        cache_dir: where downloads and converted files are kept; None is the libraries' own caches.

    Raises:
        FileNotFoundError: if there is no such data set or split; says where it was looked for.
        KeyError: if the images or labels are in none of the columns.
    """
    origin = f"data set {str(path)!r} ({split})"
    directory, _ = data_needed(
        "datasets", str(path), origin, path, split=split, name=name, data_dir=data_dir, cache_dir=cache_dir
    ).obtain()
    root = directory / (data_dir or "")
    layout = find_layout(root, split, name, origin)
    rows = _rows(layout, root, split, name, None if cache_dir is None else str(cache_dir), origin)
    images = LabelledImages.of(rows, origin=origin, image_column=image_column, label_column=label_column)
    return replace(images, files=tuple(layout.files), part=split)


def data_needed(
    section: str,
    task: str,
    owner: str,
    path: str | Path,
    *,
    split: str = "test",
    name: str | None = None,
    data_dir: str | None = None,
    root: str | Path | None = None,
    cache_dir: str | Path | None = None,
) -> Needed:
    """The files of a data set: the Parquet files of the split where it has some, else the whole repository."""
    part = split.partition("[")[0]
    choices = (
        Choice(hub_patterns(part, name, data_dir), ("README.md",), partial(_parquet, part, name, data_dir, owner)),
        Choice(("*",), (), partial(_any_layout, split, name, data_dir, owner)),
    )
    return Needed(section, task, owner, "dataset", str(path), choices, root, cache_dir)


def _parquet(part: str, name: str | None, data_dir: str | None, owner: str, directory: Path) -> list[Path]:
    return parquet_files(directory / (data_dir or ""), part, name, owner)


def _any_layout(split: str, name: str | None, data_dir: str | None, owner: str, directory: Path) -> list[Path]:
    return find_layout(directory / (data_dir or ""), split, name, owner).files


def _rows(layout: Layout, root: Path, split: str, name: str | None, cache_dir: str | None, origin: str) -> Any:
    if layout.kind == "saved":
        from datasets import load_from_disk

        data = load_from_disk(str(root))
        return data[split] if isinstance(data, Mapping) else data
    if layout.kind == "images":
        return [{"image": str(file), "label": file.parent.name} for file in layout.files]
    part = split.partition("[")[0]
    if layout.kind == "parquet" and part == split and sum(file.stat().st_size for file in layout.files) <= _SMALL:
        return _read_parquet(layout.files)
    from datasets import load_dataset

    if layout.kind == "parquet":
        return load_dataset(
            "parquet", data_files={part: list(map(str, layout.files))}, split=split, cache_dir=cache_dir
        )
    try:
        return load_dataset(str(root), name=name, split=split, cache_dir=cache_dir)
    except (OSError, ValueError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise FileNotFoundError(
            f"{origin}: {nothing_there(root, split)}, of which the data set library makes nothing: {reason}"
        ) from error


def _read_parquet(files: Sequence[Path]) -> Any:
    """The rows in memory: at once, and never an older version of the files out of the data set library's cache."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    from datasets import Dataset

    hashes = file_hashes().of(list(files))
    table = pa.concat_tables(pq.read_table(file) for file in files)
    # Without a fingerprint the library takes longer to make one than to read the file.
    return Dataset(table, fingerprint=digest(list(hashes.values())))
