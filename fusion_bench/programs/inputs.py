"""What a run reads from files, found before it starts: all of it there, of one backbone, and what was expected."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from fusion_bench.method.base_algorithm import BaseAlgorithm
from fusion_bench.modelpool.base_pool import BaseModelPool
from fusion_bench.modelpool.clip_vision import CLIPVisionModelPool
from fusion_bench.programs.fingerprints import MODELS, Input, check_expected, fingerprints_of
from fusion_bench.sources.hub import HubUnreachableError
from fusion_bench.sources.missing import missing_message
from fusion_bench.sources.needed import Needed
from fusion_bench.suites import shipped
from fusion_bench.taskpool.base_pool import BaseTaskPool
from fusion_bench.taskpool.clip_vision import CLIPVisionModelTaskPool
from fusion_bench.taskpool.heads import SAME_BACKBONE

log = logging.getLogger(__name__)


def check_inputs(algorithm: Any, modelpool: BaseModelPool, taskpool: Any, command: str) -> dict[str, Any]:
    """Find, or download, every file of a run; the fingerprints of what was found, as a report lists them.

    Args:
        algorithm: the method; says which models it loads where it is one of ours.
        modelpool: the models.
        taskpool: the tasks, or None.
        command: what downloads everything, for the error message.

    Raises:
        FileNotFoundError: naming everything that is missing at once.
        ValueError: if the pools are of different backbones, or a model is not the expected one.
        KeyError: if a model is expected that the pool does not have.
    """
    names = algorithm.loaded_names(modelpool) if isinstance(algorithm, BaseAlgorithm) else modelpool.all_model_names
    needed = [*needed_by(modelpool, names, taskpool), *needed_by_method(algorithm, modelpool)]
    inputs = find_inputs(needed, command)
    check_same_backbone(modelpool, taskpool)
    fingerprints = fingerprints_of(inputs)
    check_expected(modelpool.expected, modelpool.all_model_names, names, fingerprints.get(MODELS, {}))
    return fingerprints


def needed_by(modelpool: BaseModelPool, names: Sequence[str], taskpool: Any) -> list[Needed]:
    """What is read from files for some models of a pool and for all tasks of a task pool."""
    tasks = taskpool.needed() if isinstance(taskpool, BaseTaskPool) else []
    return [*modelpool.needed(names), *tasks]


def needed_by_method(algorithm: Any, modelpool: BaseModelPool) -> list[Needed]:
    """The training data that a method of ours reads."""
    names = algorithm.trained_names(modelpool) if isinstance(algorithm, BaseAlgorithm) else []
    parts = [part for name in names for part in modelpool.training_needed(name)]
    return [replace(part, section="training_datasets") for part in parts]  # a task pool's may have the same names


def needed_for_training(modelpool: BaseModelPool, taskpool: Any, start: str, task: str) -> list[Needed]:
    """What is read from files to fine-tune the model ``start`` of a pool on a task."""
    return [*needed_by(modelpool, [start], taskpool), *modelpool.training_needed(task)]


def find_inputs(needed: Sequence[Needed], command: str) -> list[Input]:
    """The files of each part, downloaded where they have to be.

    Raises:
        FileNotFoundError: naming everything that is missing at once, and the command that downloads it.
    """
    found, errors, online = [], [], True
    for part in needed:
        try:
            directory, files = part.obtain(online=online)
            found.append(Input(part, directory, files))
            if str(directory) != part.source and not directory.is_relative_to(shipped.ROOT):
                log.info("%s: %r is read from %s", part.owner, part.source, directory)
        except FileNotFoundError as error:
            errors.append((part, str(error)))
            online = online and not isinstance(error.__cause__, HubUnreachableError)
    if errors:
        raise FileNotFoundError(missing_message(errors, command))
    return found


def check_same_backbone(modelpool: BaseModelPool, taskpool: Any) -> None:
    """Compare the vision configurations of the two pools, where both are given by path; no weights are read.

    Raises:
        ValueError: naming both models and what differs.
    """
    if not isinstance(modelpool, CLIPVisionModelPool) or not isinstance(taskpool, CLIPVisionModelTaskPool):
        return
    ours, theirs = modelpool.vision_config(), taskpool.vision_config()
    if ours is None or theirs is None or not taskpool.task_names:
        return
    for field in SAME_BACKBONE:
        given, expected = getattr(ours[1], field), getattr(theirs[1], field)
        if given != expected:
            raise ValueError(
                f"the two pools are of different backbones: {ours[0]!r} of the model pool has {field} {given}, "
                f"{theirs[0]!r} of the task pool has {expected}; set taskpool.base_model to the CLIP model that the "
                "models of the pool were fine-tuned from"
            )
