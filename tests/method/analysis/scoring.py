"""A task pool of two regression tasks whose losses are known functions of the weights, for linear networks."""

from collections.abc import Mapping

import torch
from torch import nn

from fusion_bench.report import TaskScore
from fusion_bench.taskpool.base_pool import BaseTaskPool


class Distance(BaseTaskPool):
    """The loss of a task is the squared distance of the outputs on its inputs from those of the network it wants."""

    def __init__(self, wanted: Mapping[str, nn.Module], inputs: torch.Tensor) -> None:
        self._wanted, self._inputs = wanted, inputs

    @property
    def task_names(self) -> list[str]:
        return list(self._wanted)

    def evaluate_task(self, model: nn.Module, task: str) -> TaskScore:
        loss = float((model(self._inputs) - self._wanted[task](self._inputs)).square().mean())
        return TaskScore(1 / (1 + loss), loss)
