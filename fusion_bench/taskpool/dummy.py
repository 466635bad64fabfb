"""A task pool without tasks."""

from __future__ import annotations

from torch import nn

from fusion_bench.report import TaskScore
from fusion_bench.taskpool.base_pool import BaseTaskPool


class DummyTaskPool(BaseTaskPool):
    """Reports how large a model is and scores nothing."""

    @property
    def task_names(self) -> list[str]:
        """No task."""
        return []

    def evaluate_task(self, model: nn.Module, task: str) -> TaskScore:
        """Never called, as there is no task.

        Raises:
            KeyError: always.
        """
        raise KeyError(f"the dummy task pool has no task {task!r}")
