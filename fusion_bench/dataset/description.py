"""A data set that a user describes in one YAML file: class names, prompts, columns and where the images are."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

SUFFIXES = (".yaml", ".yml")
NAMING_KEYS = ("classnames", "templates", "classes")
SPLITS = ("train", "validation", "test")
LOADING_KEYS = ("path", "split", "splits", "name", "image_column", "label_column", "data_dir", "cache_dir")
_ALLOWED = (*NAMING_KEYS, *(key for key in LOADING_KEYS if key != "cache_dir"), "source")


def is_description(source: Any) -> bool:
    """Whether ``source`` is the path of a YAML file."""
    return isinstance(source, str | Path) and Path(source).suffix in SUFFIXES


def expand(task: str, entry: Any) -> Any:
    """An entry of ``test_datasets`` with the file that it names, or that its ``path`` names, put in its place.

    Keys that stand beside ``path`` win over those of the file. Any other entry is given back as it is.

    Raises:
        FileNotFoundError: if there is no such file; names those beside it.
        TypeError: if there is a key that is not known.
        ValueError: if the file cannot be read as YAML, has no path, or splits that are none.
    """
    given = {"path": entry} if is_description(entry) else entry
    if not isinstance(given, Mapping) or "_target_" in given or not is_description(given.get("path")):
        return entry
    where = f"task {task!r}"
    check_keys(where, given, (*LOADING_KEYS, *NAMING_KEYS))
    described = _read(Path(given["path"]).expanduser(), where)
    if "split" in given:
        described.pop("splits", None)
    described |= {str(key): value for key, value in given.items() if key != "path"}
    names = {key: described.pop(key) for key in NAMING_KEYS if key in described}
    return {"dataset": described, **names}


def check_keys(where: str, entry: Mapping[Any, Any], allowed: tuple[str, ...]) -> None:
    """Check that what describes a data set has no key but the allowed ones.

    Raises:
        TypeError: naming the key, the nearest allowed one, and all that are.
    """
    for key in entry:
        if key not in allowed:
            near = difflib.get_close_matches(str(key), allowed, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise TypeError(f"{where} has an unknown key {key!r}; allowed are {', '.join(allowed)}{hint}")


def split_of(data: Mapping[str, Any], wanted: str) -> dict[str, Any]:
    """Arguments of ``load_image_classification`` with one ``split``: the given one, else what ``splits`` maps to."""
    arguments = {str(key): value for key, value in data.items() if key != "splits"}
    return {"split": (data.get("splits") or {}).get(wanted, wanted), **arguments}


def _read(file: Path, where: str) -> dict[str, Any]:
    if not file.is_file():
        beside = sorted(other.name for other in file.parent.glob("*") if is_description(other))
        near = difflib.get_close_matches(file.name, beside, n=1)
        hint = f"; did you mean {str(file.parent / near[0])!r}?" if near else f"; {file.parent} has {beside}"
        raise FileNotFoundError(f"{where}: there is no file {str(file)!r} in {Path.cwd()}{hint}")
    try:
        content: Any = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{where}: {file} is not valid YAML: {' '.join(str(error).split())}") from error
    where = f"{where}, {file}"
    if not isinstance(content, dict):
        raise ValueError(f"{where} must map keys to values, got a {type(content).__name__}")
    _check(content, where)
    content.pop("source", None)  # a note on where the names come from
    beside_file = file.parent / str(content["path"])
    return content | {"path": str(beside_file if beside_file.is_dir() else content["path"])}


def _check(content: dict[str, Any], where: str) -> None:
    check_keys(where, content, _ALLOWED)
    if content.get("path") is None:
        raise ValueError(f"{where} has no 'path', the directory or Hub id of the images; it has {', '.join(content)}")
    splits = content.get("splits", {})
    if not isinstance(splits, dict) or not set(splits) <= set(SPLITS):
        raise ValueError(f"{where}: splits must map {', '.join(SPLITS)} to splits of the data set, got {splits!r}")
    if splits and "split" in content:
        raise ValueError(f"{where} has both 'split', which is always used, and 'splits'; give one of them")
