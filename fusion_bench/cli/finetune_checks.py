"""What the configuration of a fine-tuning run must satisfy before anything heavy is imported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fusion_bench.cli.suggest import did_you_mean, nearest

PROGRAM = "fusion_bench.programs.FineTuneProgram"
CONFIG = "fabric_finetune"
_METHODS = "fusion_bench.method.finetune."
_MISSING = "???"


def is_fine_tuning(config: Mapping[str, Any]) -> bool:
    """Whether a configuration is one of the program that fine-tunes."""
    return config.get("_target_") == PROGRAM


def check_fine_tuning(plain: Mapping[str, Any]) -> None:
    """Refuse a method that belongs to the other program, and a task or a model to start from that is not there.

    Raises:
        ValueError: naming the key, what it holds and what it may hold.
    """
    trains = str(entry_of(plain, "method", "_target_")).startswith(_METHODS)
    if trains and plain.get("_target_") == "fusion_bench.programs.FabricModelFusionProgram":
        raise ValueError(f"this method fine-tunes one model, it merges none: add --config-name {CONFIG}")
    if not is_fine_tuning(plain):
        return
    if not trains:
        raise ValueError(f"{CONFIG} needs a method that trains: method=finetune/clip_vision")
    _check_task(plain)
    models = names_of(entry_of(plain, "modelpool", "models"))
    models += ["_pretrained_"] if entry_of(plain, "modelpool", "base_model") else []
    if models:
        _require("start", str(plain.get("start")), models, "models of the pool")


def _check_task(plain: Mapping[str, Any]) -> None:
    chosen = names_of(entry_of(plain, "taskpool", "test_datasets"))
    selected = entry_of(plain, "taskpool", "tasks")
    tasks = [str(name) for name in selected] if isinstance(selected, list) else chosen
    if plain.get("task") in (None, _MISSING):
        raise ValueError(f"choose the task to fine-tune on with task=NAME{did_you_mean([], tasks, what='tasks')}")
    task = str(plain["task"])
    if not chosen:
        raise ValueError("the task pool has no test_datasets, so no head and no images to validate with")
    _require("task", task, tasks, "tasks of the task pool")
    trainable = names_of(entry_of(plain, "modelpool", "train_datasets"))
    if not trainable:
        raise ValueError(
            "the model pool has no train_datasets: choose one that has, or add "
            f"'modelpool.train_datasets={{{task}: HUB_ID_OR_DIRECTORY}}'"
        )
    _require("task", task, trainable, "the train_datasets of the model pool are")


def _require(key: str, name: str, valid: Sequence[str], what: str) -> None:
    if name not in valid:
        raise ValueError(f"{key}: no {name!r}{did_you_mean(nearest(name, valid), valid, what=what)}")


def names_of(entries: Any) -> list[str]:
    """The names of a mapping, or the positions of a list as a pool names them."""
    if isinstance(entries, Mapping):
        return [str(name) for name in entries]
    return [str(index) for index, _ in enumerate(entries)] if isinstance(entries, Sequence) else []


def entry_of(plain: Mapping[str, Any], part: str, key: str) -> Any:
    """``plain[part][key]``; None where either is missing."""
    section = plain.get(part)
    return section.get(key) if isinstance(section, Mapping) else None
