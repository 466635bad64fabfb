"""Image classification data from the Hub or from a directory in one of the usual layouts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from fusion_bench.dataset.images import LabelledImages
from fusion_bench.suites.shipped import shipped_directory

_SMALL = 1 << 27  # bytes of Parquet that are read into memory
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm")


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
    ``<name>/``; a folder of images by class, ``<split>/<class>/*.png`` or ``<class>/*.png``. Anything else is the id
    of a data set on the Hub.

    Args:
        path: the directory, the name of a shipped data set such as ``tiny8/mnist``, or the id.
        split: which part, by its name in the data set.
        name: the configuration of a data set that has several.
        image_column: column of the images; found by its usual names where not given.
        label_column: column of the labels; likewise.
        data_dir: a folder inside the data set.
        cache_dir: where downloads and converted files are kept; None is the data set library's own cache.

    Raises:
        FileNotFoundError: if there is no such data set or split; says where it was looked for.
        KeyError: if the images or labels are in none of the columns.
    """
    directory = Path(path).expanduser()
    origin = f"data set {str(path)!r} ({split})"
    cache = None if cache_dir is None else str(cache_dir)
    local = directory if directory.is_dir() else shipped_directory(path)
    if local is not None:
        rows, files = _load_directory(local / (data_dir or ""), split, name, cache, origin)
    else:
        rows = _load_from_hub(str(path), split, name, data_dir, cache, origin)
        files = _arrow_files(rows)
    images = LabelledImages.of(rows, origin=origin, image_column=image_column, label_column=label_column)
    return replace(images, files=tuple(map(Path, files)), part=split)


def _load_directory(
    root: Path, split: str, name: str | None, cache_dir: str | None, origin: str
) -> tuple[Any, Sequence[str]]:
    """The rows of a split, and the files they are in."""
    if (root / "dataset_dict.json").is_file() or (root / "state.json").is_file():
        rows = _load_saved(root, split, origin)
        return rows, _arrow_files(rows)
    part = split.partition("[")[0]  # "test[:100]" is a part of "test"
    parquet = list(_parquet_files(root, part, name))
    if parquet and part == split and sum(Path(file).stat().st_size for file in parquet) <= _SMALL:
        return _read_parquet(parquet), parquet
    if parquet:
        from datasets import load_dataset

        return load_dataset("parquet", data_files={part: parquet}, split=split, cache_dir=cache_dir), parquet
    images = _image_folder(root / split) or _image_folder(root)
    if images:
        return images, [row["image"] for row in images]
    there = sorted(entry.name for entry in root.iterdir())[:10] if root.is_dir() else "no such directory"
    raise FileNotFoundError(
        f"{origin}: {root} holds no data for that split; looked for dataset_dict.json, state.json, {part}.parquet, "
        f"{part}-*.parquet (also below data/) and images in {split}/<class>/ or <class>/; there is {there}"
    )


def _arrow_files(rows: Any) -> list[str]:
    """The files behind a data set of the library; none where it holds rows that are in no file."""
    if rows._indices is not None:  # a choice of rows that the files do not tell
        return []
    return [file["filename"] for file in rows.cache_files]


def _read_parquet(files: list[str]) -> Any:
    """The rows in memory: at once, and never an older version of the files out of the data set library's cache."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    from datasets import Dataset

    return Dataset(pa.concat_tables(pq.read_table(file) for file in files))


def _load_saved(root: Path, split: str, origin: str) -> Any:
    from datasets import load_from_disk

    data = load_from_disk(str(root))
    if not isinstance(data, Mapping):
        return data
    if split not in data:
        raise FileNotFoundError(f"{origin}: there is no split {split!r} in {root}; it has {list(data)}")
    return data[split]


def _parquet_files(root: Path, part: str, name: str | None) -> Iterator[str]:
    for folder in (root, root / "data", *((root / name, root / "data" / name) if name else ())):
        for pattern in (f"{part}.parquet", f"{part}-*.parquet"):
            yield from (str(file) for file in sorted(folder.glob(pattern)))


def _image_folder(root: Path) -> list[dict[str, Any]]:
    """One row an image, with the name of its folder as label; in the order of the names."""
    if not root.is_dir():
        return []
    return [
        {"image": str(file), "label": folder.name}
        for folder in sorted(root.iterdir())
        if folder.is_dir()
        for file in sorted(folder.iterdir())
        if file.suffix.lower() in IMAGE_SUFFIXES
    ]


def _load_from_hub(
    path: str, split: str, name: str | None, data_dir: str | None, cache_dir: str | None, origin: str
) -> Any:
    from datasets import load_dataset

    if Path(path).is_absolute() or path.startswith((".", "~")):
        raise FileNotFoundError(f"{origin}: there is no directory {path}")
    try:
        return load_dataset(path, name=name, split=split, data_dir=data_dir, cache_dir=cache_dir)
    except (OSError, ValueError) as error:
        raise FileNotFoundError(
            f"{origin}: {path!r} is no local directory and could not be loaded from the Hub or its cache "
            f"({cache_dir or 'the default one'}): {type(error).__name__}: {error}. Give the path of a local copy, or "
            "connect to the network once and check name and split"
        ) from error
