"""The directory of a run: where the configuration puts it, and never that of another run."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

LOGGER_KEYS = ("root_dir", "name", "version")
SWEEP_RECORD = "multirun.yaml"  # written by hydra before the first job starts
_TIME = re.compile(r"^\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d_\d{6}$")  # as in config/path/default.yaml


def resolve_log_dir(cfg: Mapping[str, Any], job_subdir: str | None = None) -> Path:
    """The directory of this run, created.

    ``fabric.loggers.{root_dir,name,version}`` give ``root_dir/name/version_N``; ``version: null`` takes the next free
    number. Where none of them is set it is ``path.log_dir``. Jobs of a sweep that does not vary the directory get
    numbered directories inside it.

    Args:
        cfg: the whole configuration.
        job_subdir: subdirectory of this job; None asks hydra whether this is a job of a sweep, and which.

    Raises:
        ValueError: if ``resume`` is on and the directory would be a new one.
    """
    settings = logger_settings(cfg)
    in_use = [key for key in LOGGER_KEYS if settings[key] is not None]
    if not in_use:
        directory = Path(cfg["path"]["log_dir"])
        if cfg.get("resume"):
            _refuse_new(directory)
    else:
        directory = Path(settings["root_dir"] or cfg["path"]["output_dir"], settings["name"] or "")
        version = settings["version"]
        if version is None:
            if cfg.get("resume"):
                raise ValueError("resume=true needs the version of the interrupted run: fabric.loggers.version=N")
            return claim_version(directory)
        directory /= version if isinstance(version, str) else f"version_{version}"
    subdir = job_subdir if job_subdir is not None else _sweep_subdir(in_use)
    directory = directory / subdir if subdir else directory
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def _refuse_new(directory: Path) -> None:
    """Refuse a directory that was named after the present time: there is nothing to resume in it."""
    if _TIME.search(directory.name) and not any(file.name != SWEEP_RECORD for file in _files(directory)):
        raise ValueError(
            "resume=true needs the directory of the interrupted run: path.log_dir=DIR, or fabric.loggers.root_dir, "
            f"name and version; {directory} is new"
        )


def _files(directory: Path) -> Iterator[Path]:
    """Every file in ``directory`` and the directories inside it."""
    return (path for path in directory.rglob("*") if path.is_file())


def logger_settings(cfg: Mapping[str, Any]) -> dict[str, Any]:
    """``root_dir``, ``name`` and ``version`` of ``fabric.loggers``; None where they are not set."""
    loggers = (cfg.get("fabric") or {}).get("loggers") or {}
    return {key: loggers.get(key) for key in LOGGER_KEYS}


def claim_version(parent: Path) -> Path:
    """Create ``parent/version_N`` with the number after the last; safe against others who do the same."""
    parent.mkdir(parents=True, exist_ok=True)
    while True:
        taken = [path.name.removeprefix("version_") for path in parent.glob("version_*")]
        number = max((int(name) for name in taken if name.isdecimal()), default=-1) + 1
        directory = parent / f"version_{number}"
        try:
            directory.mkdir()
        except FileExistsError:  # somebody was faster
            continue
        return directory


def remove_if_empty(directory: str | Path, *, below: str | Path | None = None) -> None:
    """Remove ``directory`` if nothing was written to it, then its parents likewise as far as they lie in ``below``."""
    path = Path(directory).absolute()
    limit = Path(below).absolute() if below is not None else path
    with contextlib.suppress(OSError):  # not empty, or not there
        path.rmdir()
        for parent in path.parents:
            if limit not in parent.parents:
                break
            parent.rmdir()


def _sweep_subdir(logger_keys_in_use: Iterable[str]) -> str | None:
    """The number of this job where the jobs of its sweep would share a directory; None outside a sweep."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    if not HydraConfig.initialized() or HydraConfig.get().mode != RunMode.MULTIRUN:
        return None
    hydra_config = HydraConfig.get()
    keys = [f"fabric.loggers.{key}" for key in logger_keys_in_use] or ["path.log_dir"]
    record = Path(hydra_config.sweep.dir, SWEEP_RECORD)
    if record.is_file():
        arguments = yaml.safe_load(record.read_text(encoding="utf-8"))["hydra"]["overrides"]["task"]
        if varies(keys, arguments):
            return None
    return str(hydra_config.job.num)


def varies(directory_keys: Iterable[str], overrides: list[str]) -> bool:
    """Whether every job of a sweep has a directory of its own.

    So it is if each swept key is one of ``directory_keys`` or stands as ``${key}`` in the value given to one of them,
    and no value is swept twice.

    Args:
        directory_keys: the keys that make up the directory.
        overrides: the arguments of the sweep as typed, for example ``fabric.loggers.version=0,1``.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser

    keys = list(directory_keys)
    parsed = OverridesParser.create().parse_overrides(overrides)
    templates = [str(item.input_line) for item in parsed if item.get_key_element() in keys]
    swept = [item for item in parsed if item.is_sweep_override()]
    for item in swept:
        key = item.get_key_element()
        if not item.is_discrete_sweep() or not (key in keys or any(f"${{{key}}}" in text for text in templates)):
            return False
        values = [str(yaml.safe_load(value)) for value in item.sweep_string_iterator()]
        if len(set(values)) < len(values):
            return False
    return bool(swept)
