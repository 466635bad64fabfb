"""The tiny checkpoints of ``tests/oracle/continual`` and what each method must make of them."""

from functools import cache
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from fusion_bench.functional.params import Params
from fusion_bench.method.continual import Base, ContinualAlgorithm, MergeState
from fusion_bench.utils.executors import SerialExecutor

ORACLE = Path(__file__).parent / "oracle" / "continual"
TASKS = ("task_a", "task_b", "task_c", "task_d")


@cache
def oracle_tensors(name: str) -> dict[str, Tensor]:
    """Tensors by canonical name of a checkpoint directory, or of an ``expected_*`` file given without its ending."""
    path = ORACLE / name
    path = path / "model.safetensors" if path.is_dir() else path.with_name(f"{name}.safetensors")
    return {key.removeprefix("vision_model."): tensor for key, tensor in load_file(path).items()}


def oracle_base(linear_weights: frozenset[str] = frozenset()) -> Base:
    """The pretrained checkpoint as the base of a run."""
    return Base(oracle_tensors("_pretrained_"), linear_weights)


def fold_tasks(method: ContinualAlgorithm, tasks=TASKS, base: Base | None = None) -> MergeState:
    """The state after the given oracle checkpoints."""
    state = None
    for task in tasks:
        state = method.merge_step(state, oracle_tensors(task), base or oracle_base(), SerialExecutor().map)
    assert state is not None
    return state


def relative_errors(merged: Params, expected: Params, base: Params) -> dict[str, float]:
    """Per tensor, ‖merged - expected‖ relative to the norm of the expected task vector, in float64."""
    assert set(merged) == set(expected)
    errors = {}
    for name, tensor in expected.items():
        size = (tensor.double() - base[name].double()).norm()
        errors[name] = float((merged[name].double() - tensor.double()).norm() / size.clamp(min=torch.finfo().tiny))
    return errors
