"""From batches of images to the accuracy and loss of one or several networks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from fusion_bench.dataset.batches import PixelBatches
from fusion_bench.dataset.kept_pixels import Batch
from fusion_bench.dataset.pixels import PixelTransform
from fusion_bench.models.clip_vision import float_dtype
from fusion_bench.report import TaskScore
from fusion_bench.taskpool.compiled import CompiledNetworks, is_compiled
from fusion_bench.taskpool.parts import can_be_split, logits_at_once, logits_in_parts
from fusion_bench.utils.ahead import ahead


@dataclass(frozen=True)
class Question:
    """What is asked of models: how they do on some tasks.

    Args:
        tasks: their names.
        joint: how classes of different tasks are compared, where the task pool compares them.
    """

    tasks: tuple[str, ...]
    joint: str = "logits"


@dataclass(frozen=True)
class Share:
    """Which batches a process scores: every ``world_size``-th, beginning with number ``rank``."""

    rank: int = 0
    world_size: int = 1


@dataclass(frozen=True)
class BatchScore:
    """Right answers, summed cross-entropy and images of one batch."""

    correct: int
    loss: float
    images: int


BatchScores = Mapping[int, BatchScore]  # by number of the batch
Readings = Sequence[BatchScores]  # of one model on one task: among the classes of the task, and other ways to read it
Answers = Sequence[tuple[Tensor, Tensor]]  # logits and labels of a batch, for each reading


class Classifier(Protocol):
    """Makes logits of images with a network."""

    def to(self, device: torch.device) -> Classifier:
        """The same on another device."""
        ...

    def logits(self, tower: nn.Module, pixel_values: Tensor, /) -> Tensor:
        """Logits ``(images, classes)``, float32."""
        ...


class Tally:
    """Right answers and losses by batch, kept on the device until they are asked for: the host waits only then."""

    def __init__(self) -> None:
        self._counts: list[Tensor] = []
        self._sums: list[Tensor] = []
        self._images: list[int] = []

    def add(self, answers: Sequence[tuple[Tensor, Tensor]]) -> None:
        """Add a batch: logits ``(images, classes)`` and labels ``(images,)`` of each column of the tally."""
        self._counts.append(torch.stack([(logits.argmax(dim=-1) == labels).sum() for logits, labels in answers]))
        sums = [cross_entropy(logits, labels, reduction="sum") for logits, labels in answers]
        self._sums.append(torch.stack(sums))
        self._images.append(len(answers[0][1]))

    def columns(self, share: Share = Share()) -> list[dict[int, BatchScore]]:
        """For each column its batches by number; none if nothing was added."""
        if not self._images:
            return []
        correct, losses = torch.stack(self._counts).T.tolist(), torch.stack(self._sums).T.tolist()
        return [
            {
                share.rank + share.world_size * number: BatchScore(*batch)
                for number, batch in enumerate(zip(counts, sums, self._images, strict=True))
            }
            for counts, sums in zip(correct, losses, strict=True)
        ]


def as_they_are(logits: Tensor, labels: Tensor) -> Answers:
    """One reading: the logits are of the classes of the task."""
    return [(logits, labels)]


@dataclass(frozen=True)
class Scoring:
    """What it takes to score networks on the images of one task.

    Args:
        classifier: makes logits with a network.
        batches: the images.
        transform: from what is kept of an image to what a network takes.
        autocast: the precision.
        compiled: runs networks through ``torch.compile``; None runs them as they are.
        read: from logits and labels to those that are counted.
    """

    classifier: Classifier
    batches: PixelBatches
    transform: PixelTransform
    autocast: Callable[[], AbstractContextManager[object]]
    compiled: CompiledNetworks | None = None
    read: Callable[[Tensor, Tensor], Answers] = as_they_are

    def logits(
        self, towers: Sequence[nn.Module], device: torch.device, share: Share = Share()
    ) -> Iterator[tuple[list[Tensor], Tensor]]:
        """Logits of each tower and labels, batch by batch, on the device; each batch is prepared once for all."""
        classifier = self.classifier.to(device)
        dtypes = [float_dtype(tower) for tower in towers]
        batches = _moved(self.batches.share(share.rank, share.world_size), device)

        def logits(encoded: Tensor) -> list[Tensor]:
            pixels = self.transform.decode(encoded)
            return [classifier.logits(tower, pixels.to(dtype)) for tower, dtype in zip(towers, dtypes, strict=True)]

        if device.type != "cpu" or any(map(is_compiled, towers)):
            yield from ((logits(encoded), labels) for encoded, labels in batches)
        elif all(map(can_be_split, towers)):
            yield from logits_in_parts(logits, batches, self.autocast)
        else:
            yield from logits_at_once(logits, batches)

    def scores(self, towers: Sequence[nn.Module], device: torch.device, share: Share = Share()) -> list[Readings]:
        """The scores of this process's batches, for each tower."""
        towers = towers if self.compiled is None else self.compiled.of(towers)
        tally, readings = Tally(), 1
        with self.autocast():  # around all batches: weights are cast once
            for logits, labels in self.logits(towers, device, share):
                answers = [self.read(one, labels) for one in logits]
                readings = len(answers[0])
                tally.add([pair for one in answers for pair in one])
        columns = tally.columns(share) or [{} for _ in towers]
        return [columns[start : start + readings] for start in range(0, len(columns), readings)]


def task_score(scores: BatchScores) -> TaskScore:
    """Accuracy and mean loss over the images of all batches, whoever scored them."""
    ordered = [scores[number] for number in sorted(scores)]
    images = sum(batch.images for batch in ordered)
    losses = torch.tensor([batch.loss for batch in ordered], dtype=torch.float64)
    return TaskScore(sum(batch.correct for batch in ordered) / images, float(losses.sum()) / images)


def _moved(batches: Iterator[Batch], device: torch.device) -> Iterator[Batch]:
    """The batches on a device; while it computes, another thread prepares the next ones."""
    if device.type == "cpu":
        yield from batches
        return
    pin = device.type == "cuda"
    pinned = ((pixels.pin_memory(), labels.pin_memory()) if pin else (pixels, labels) for pixels, labels in batches)
    for pixels, labels in ahead(pinned):
        yield pixels.to(device, non_blocking=True), labels.to(device, non_blocking=True)
