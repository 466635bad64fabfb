"""What a run was scored on and merged from, so that only like is compared with like."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

PRETRAINED = "_pretrained_"
# The published suites are the first so many of these tasks.
_PUBLISHED_TASKS = (
    *("sun397", "stanford-cars", "resisc45", "eurosat", "svhn", "gtsrb", "mnist", "dtd"),
    *("oxford_flowers102", "pcam", "fer2013", "oxford-iiit-pet", "stl10", "cifar100"),
    *("cifar10", "food101", "fashion_mnist", "emnist_letters", "kmnist", "rendered-sst2"),
)
_PUBLISHED = {8: "TA8", 10: "TALL10", 12: "TALL12", 14: "TALL14", 16: "TALL16", 18: "TALL18", 20: "TALL20"}
_TEST_SPLIT = {"food101": "validation"}  # of the others: test
_OF_THE_MACHINE = ("cache_dir", "data_dir", "model_dir")  # where files are, not what they hold
_LISTED = 3  # as many tasks are named one by one


@dataclass(frozen=True)
class Suite:
    """The tasks of a run, the data behind them and the models that were merged.

    Args:
        name: ``TA8``, ``tiny8`` or a description; runs of one name may still differ in ``data``.
        tasks: those that were scored, in the order of the configuration.
        data: a digest of the data sets, their splits, classes and corruption; scores compare where it is the same.
        models: a digest of the models that were merged; None where there were none, as for a single checkpoint.
    """

    name: str
    tasks: tuple[str, ...]
    data: str
    models: str | None


@dataclass(frozen=True)
class Backbone:
    """The pretrained model: its name, empty where it is not known, and a digest of its files or of its source."""

    name: str
    model: str


def suite_of(config: Mapping[str, Any], scored: Iterable[str], fingerprints: Mapping[str, Any]) -> Suite:
    """The suite of a run.

    Args:
        config: the configuration of the run.
        scored: the tasks of its report.
        fingerprints: those of its report; empty where there are none.
    """
    taskpool = _mapping(config.get("taskpool"))
    datasets = _mapping(taskpool.get("test_datasets"))
    scored = list(scored)
    tasks = tuple(task for task in datasets if task in scored)
    tasks += tuple(sorted(task for task in scored if task not in tasks))
    hashes = _hashes(fingerprints, "datasets")
    identity: dict[str, Any] = {task: _data_identity(datasets.get(task), hashes.get(task)) for task in tasks}
    quick = bool(config.get("fast_dev_run") or taskpool.get("fast_dev_run"))
    corruption = taskpool.get("corruption")
    conditions: list[Any] = [quick, corruption]
    if corruption is not None:
        conditions += [taskpool.get("corruption_severity"), taskpool.get("corruption_seed")]
    name = _suite_name(tasks, datasets)
    if corruption is not None:
        name += f", {corruption} {taskpool.get('corruption_severity')}"
    if quick:
        name += ", one batch a task"
    return Suite(name, tasks, _digest([sorted(identity.items()), conditions]), _models(config, fingerprints))


def backbone_of(config: Mapping[str, Any], fingerprints: Mapping[str, Any]) -> Backbone:
    """The backbone of a run: that of the task pool's heads, else the pretrained model of the model pool."""
    taskpool, modelpool = _mapping(config.get("taskpool")), _mapping(config.get("modelpool"))
    models = _mapping(modelpool.get("models"))
    sources = [
        (taskpool.get("clip_model"), _hashes(fingerprints, "task_pool").get("clip_model")),
        (taskpool.get("base_model"), None),
        (models.get(PRETRAINED), _hashes(fingerprints, "models").get(PRETRAINED)),
        (modelpool.get("base_model"), None),
    ]
    for source, sha256 in sources:
        if source is not None:
            name = str(source).rstrip("/").rpartition("/")[2] if isinstance(source, str) else ""
            return Backbone(name, str(sha256 or _digest(source)))
    return Backbone("", "")


def _suite_name(tasks: Sequence[str], datasets: Mapping[str, Any]) -> str:
    settings = [_settings(datasets.get(task)) for task in tasks]
    splits = [setting.get("split") for setting in settings]
    if tasks and set(tasks) == set(_PUBLISHED_TASKS[: len(tasks)]) and len(tasks) in _PUBLISHED:
        tested = all(split == _TEST_SPLIT.get(task, "test") for task, split in zip(tasks, splits, strict=True))
        name = _PUBLISHED[len(tasks)]
        return name if tested and not any(map(_held_out, settings)) else f"{name}, not its test data"
    roots = sorted({str(setting.get("path", "")).partition("/")[0] for setting in settings})
    if len(roots) == 1 and roots[0] and all("/" in str(setting.get("path", "")) for setting in settings):
        count = len(tasks)
        name = roots[0] if roots[0] == f"tiny{count}" else f"{roots[0]}: {_listed(tasks)}"
    else:
        name = _listed(tasks)
    other = sorted({str(split) for split in splits if split not in (None, "test")})
    return f"{name} ({', '.join(other)})" if other else name


def _listed(tasks: Sequence[str]) -> str:
    if not tasks:
        return "no task"
    return ", ".join(tasks) if len(tasks) <= _LISTED else f"{len(tasks)} tasks"


def _models(config: Mapping[str, Any], fingerprints: Mapping[str, Any]) -> str | None:
    """A digest of the models that were merged, by the files that were read, else by what the pool was given."""
    sources = _mapping(config.get("modelpool")).get("models")
    if isinstance(sources, list):
        sources = {str(index): source for index, source in enumerate(sources)}
    loaded = _hashes(fingerprints, "models")
    merged = loaded or _mapping(sources)
    identity = {name: value for name, value in merged.items() if not _is_special(name)}
    return _digest(sorted(identity.items())) if identity else None


def _data_identity(entry: Any, sha256: str | None) -> Any:
    """What the images and the classes of a task are; the files where their hash is known, else where they come from."""
    settings = dict(_mapping(entry))
    inner = dict(_mapping(settings.pop("dataset", None)))
    for part in (settings, inner):
        for key in _OF_THE_MACHINE:
            part.pop(key, None)
        if sha256 is not None:
            part.pop("path", None)
    source = entry if isinstance(entry, str) and sha256 is None else None
    return [sha256, source, settings, inner]


def _settings(entry: Any) -> Mapping[str, Any]:
    """The part of a task's configuration that says how its images are loaded."""
    settings = _mapping(entry)
    return _mapping(settings.get("dataset")) or settings


def _held_out(settings: Mapping[str, Any]) -> bool:
    return "held_out" in str(settings.get("_target_", ""))


def _hashes(fingerprints: Mapping[str, Any], section: str) -> dict[str, str]:
    entries = _mapping(fingerprints.get(section))
    return {name: str(_mapping(entry).get("sha256")) for name, entry in entries.items()}


def _is_special(name: str) -> bool:
    return name.startswith("_") and name.endswith("_")


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()
