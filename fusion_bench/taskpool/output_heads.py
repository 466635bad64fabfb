"""From what classifiers put out to logits of the classes of several tasks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn.functional import log_softmax, normalize

from fusion_bench.models.task_models import TaskModels
from fusion_bench.taskpool.scoring import Answers

JOINT_RULES = ("logits", "probabilities")


@dataclass(frozen=True)
class TaskHead:
    """How the classes of one task are read from the outputs of a network.

    Args:
        task: its name.
        classes: how many it has.
        columns: the outputs that are its logits; None takes all, which must be as many as the classes.
        width: how many outputs there must be; None does not check.
        text: unit vectors ``(classes, dim)``; logits are then cosines with them, and ``columns`` are not used.
        scale: factor on the cosines.
    """

    task: str
    classes: int
    columns: tuple[int, ...] | None = None
    width: int | None = None
    text: Tensor | None = None
    scale: float = 1.0

    def logits(self, outputs: Tensor) -> Tensor:
        """Logits ``(images, classes)``, float32, of outputs ``(images, width)``.

        Raises:
            ValueError: if there are not as many outputs as the task takes.
        """
        found = outputs.shape[-1]
        if self.text is not None:
            if found != self.text.shape[1]:
                raise ValueError(
                    f"task {self.task!r}: the model has {found} outputs, the text features of its classes "
                    f"{self.text.shape[1]}; set base_model to the CLIP model that it was trained with"
                )
            with torch.autocast(outputs.device.type, enabled=False):
                return self.scale * normalize(outputs.float(), dim=-1) @ self.text.T
        if self.columns is None:
            if found != self.classes:
                raise ValueError(
                    f"task {self.task!r} has {self.classes} classes, but its network has {found} outputs; heads=shared "
                    "is for networks with the classes of all tasks"
                )
            return outputs.float()
        if max(self.columns) >= found or (self.width is not None and found != self.width):
            wanted = self.width if self.width is not None else max(self.columns) + 1
            raise ValueError(
                f"the model has {found} outputs, but the tasks of the pool take {wanted}; say which outputs are the "
                "classes of each task with 'outputs', or set heads=task for networks with the classes of one task"
            )
        return outputs.float()[:, list(self.columns)]


@dataclass(frozen=True)
class OutputHeads:
    """The heads of several tasks; the classifier of a :class:`fusion_bench.taskpool.scoring.Scoring`.

    The settings of Xu et al., "Training-Free Pretrained Model Merging" (MuDSC), CVPR 2024, arXiv 2403.01753.

    Args:
        heads: one a task.
        joint: how classes of different tasks are compared: by ``logits`` as they are, or by ``probabilities`` within
            each task, as an ensemble does whose members know the classes of one task each.
    """

    heads: Sequence[TaskHead]
    joint: str = "logits"

    def to(self, device: torch.device) -> OutputHeads:
        """The same on another device."""
        moved = [head if head.text is None else replace(head, text=head.text.to(device)) for head in self.heads]
        return replace(self, heads=moved)

    def logits(self, model: nn.Module, pixel_values: Tensor) -> Tensor:
        """Logits of the classes of all tasks side by side, float32 ``(images, classes)``.

        A :class:`TaskModels` says them with the network of each task, any other model with its one network.

        Raises:
            KeyError: if a :class:`TaskModels` has no network of a task.
            ValueError: if a network has not as many outputs as a task takes.
        """
        if isinstance(model, TaskModels):
            networks = [model.for_task(head.task) for head in self.heads]
            outputs = [outputs_of(network, pixel_values) for network in networks]
        else:
            outputs = [outputs_of(model, pixel_values)] * len(self.heads)
        parts = [head.logits(one) for head, one in zip(self.heads, outputs, strict=True)]
        return torch.cat(parts if self.joint == "logits" else [log_softmax(part, dim=-1) for part in parts], dim=1)

    def own_and_union(self, task: str, logits: Tensor, labels: Tensor) -> Answers:
        """Two readings of the images of one task: among its own classes, and among those of all.

        Args:
            task: whose images these are.
            logits: as :meth:`logits` gives them.
            labels: counted in the classes of the task.
        """
        sizes = [head.classes for head in self.heads]
        place = [head.task for head in self.heads].index(task)
        start = sum(sizes[:place])
        return [(logits[:, start : start + sizes[place]], labels), (logits, labels + start)]


def outputs_of(network: nn.Module, pixel_values: Tensor) -> Tensor:
    """The outputs ``(images, width)`` of a network: a tensor, or the ``logits`` of what one of transformers gives."""
    given = network(pixel_values)
    outputs: Tensor = given if isinstance(given, Tensor) else given.logits
    return outputs
