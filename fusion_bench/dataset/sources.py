"""Where the data set in a description of a task comes from: which files a run needs, and local copies of Hub ids."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from fusion_bench.dataset.description import expand, split_of
from fusion_bench.dataset.loading import data_needed
from fusion_bench.dataset.task import ClassificationTask
from fusion_bench.sources.local import located
from fusion_bench.sources.needed import Needed

_OURS = "fusion_bench.dataset."  # loaders whose ``path`` is a directory or a Hub id
_CHOOSING_FILES = ("split", "name", "data_dir", "cache_dir")


def localised(entry: Any, data_dir: str | Path | None) -> Any:
    """A description of a task or data set in which a Hub id is the path of its copy below ``data_dir``, if it has one.

    What is in memory, or is built by a ``_target_`` of the user's own, is given back as it is.
    """
    if data_dir is None or loading_arguments(entry) is None:
        return entry
    if isinstance(entry, str | Path):
        return located(entry, data_dir)
    if isinstance(entry, ClassificationTask):
        return replace(entry, dataset=localised(entry.dataset, data_dir))
    key = "dataset" if "dataset" in entry else "path"
    return {**entry, key: localised(entry[key], data_dir)}


def task_needed(
    task: str,
    entry: Any,
    *,
    split: str = "test",
    data_dir: str | Path | None = None,
    cache_dir: str | Path | None = None,
) -> list[Needed]:
    """The files of the data set of a task; none where it is in memory or built by a ``_target_`` of the user's own."""
    arguments = loading_arguments(expand(task, entry))
    if arguments is None:
        return []
    arguments = split_of(arguments, split)
    chosen: dict[str, Any] = {"cache_dir": cache_dir}
    chosen |= {key: arguments[key] for key in _CHOOSING_FILES if key in arguments}
    owner = f"the data set of task {task!r}"
    return [data_needed("datasets", task, owner, arguments["path"], root=data_dir, **chosen)]


def loading_arguments(entry: Any) -> dict[str, Any] | None:
    """The arguments of :func:`load_image_classification` in a description; None if the data come from elsewhere."""
    if isinstance(entry, ClassificationTask):
        return loading_arguments(entry.dataset)
    if isinstance(entry, str | Path):
        return {"path": entry}
    if not isinstance(entry, Mapping) or not str(entry.get("_target_", _OURS)).startswith(_OURS):
        return None
    if "dataset" in entry:
        return loading_arguments(entry["dataset"])
    return {str(key): entry[key] for key in entry if key != "_target_"} if "path" in entry else None
