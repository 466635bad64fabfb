"""Networks of several tasks: with tensors that they share, or each on its own."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn


class TaskModels(nn.Module):
    """One network a task; tensors that are shared are the same objects in all of them.

    Args:
        names: of the tasks.
        models: one network a task, of one architecture; those after the first lose their shared tensors.
        separate: names of the tensors that are not shared.
    """

    def __init__(self, names: Sequence[str], models: Sequence[nn.Module], separate: Collection[str]) -> None:
        super().__init__()
        self.task_names = tuple(names)
        self.models = nn.ModuleList(models)
        first = models[0]
        for model in models[1:]:
            for name in _tensor_names(model):
                if name not in separate:
                    _share(first, model, name)

    @classmethod
    def apart(cls, names: Sequence[str], models: Sequence[nn.Module]) -> TaskModels:
        """Networks that share nothing, but what they shared before."""
        return cls(names, models, [name for model in models for name in _tensor_names(model)])

    def for_task(self, name: str) -> nn.Module:
        """The network of a task.

        Raises:
            KeyError: if there is no such task.
        """
        if name not in self.task_names:
            raise KeyError(f"no task {name!r} among {list(self.task_names)}")
        return self.models[self.task_names.index(name)]

    def forward(self, *inputs: Any, **options: Any) -> Mapping[str, Any]:
        """What each task's network says to the inputs, by name of the task."""
        pairs = zip(self.task_names, self.models, strict=True)
        return {name: model(*inputs, **options) for name, model in pairs}


@dataclass(frozen=True)
class OwnModels:
    """A whole network for each task, in memory only while it is used.

    Args:
        task_names: of the tasks.
        load: gives the network of a task.
    """

    task_names: tuple[str, ...]
    load: Callable[[str], nn.Module]


def _tensor_names(model: nn.Module) -> list[str]:
    return [name for name, _ in [*model.named_parameters(), *model.named_buffers()]]


def _share(first: nn.Module, model: nn.Module, name: str) -> None:
    owner, _, last = name.rpartition(".")
    setattr(model.get_submodule(owner), last, getattr(first.get_submodule(owner), last))
