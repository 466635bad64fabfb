"""Small models and a small task pool that tests build directly or name in a ``_target_``."""

from collections.abc import Sequence

import torch
from torch import nn

from fusion_bench.report import EvalReport, ModelInfo, TaskScore


def make_model(seed: int) -> nn.Module:
    """Two linear layers around a layer norm, seeded; global random state is left alone."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(6, 8), nn.LayerNorm(8), nn.Linear(8, 4, bias=False))


def make_models(names: Sequence[str] = ("_pretrained_", "a", "b", "c", "d")) -> dict[str, nn.Module]:
    """One model a name, each with its own seed."""
    return {name: make_model(seed) for seed, name in enumerate(names)}


class HashTaskPool:
    """Scores a model by a number made of its weights, so that equal models get equal scores; counts its calls."""

    def __init__(self, task_names: Sequence[str] = ("a", "b", "c", "d")) -> None:
        self.task_names = list(task_names)
        self.calls: list[tuple[str, ...]] = []

    def evaluate(self, model, name=None, *, tasks=None):
        tasks = self.task_names if tasks is None else tasks
        self.calls.append(tuple(tasks))
        weight = float(sum(p.detach().double().abs().sum() for p in model.parameters()))
        scores = {task: TaskScore((weight * (1 + ord(task[0]))) % 1, weight) for task in tasks}
        return EvalReport(ModelInfo(1, 1, name), scores)

    def evaluate_many(self, models, *, tasks=None):
        return {name: self.evaluate(model, name, tasks=tasks) for name, model in models.items()}


def same_tensors(left, right) -> bool:
    """Whether two state dicts hold the same names and bitwise the same tensors."""
    left, right = dict(left), dict(right)
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


def files_of(path):
    """Everything below a directory, by relative name and content."""
    return {str(p.relative_to(path)): p.read_bytes() for p in sorted(path.rglob("*")) if p.is_file()}
