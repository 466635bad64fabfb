"""Accuracy among the classes of a task, and among those of all tasks together, in one pass.

The settings of Xu et al., "Training-Free Pretrained Model Merging" (MuDSC), CVPR 2024, arXiv 2403.01753.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, log_softmax

from fusion_bench.taskpool.scoring import BatchScore, BatchScores, Scoring
from fusion_bench.utils.memory import reusing_freed_memory

RULES = ("logits", "probabilities")


@dataclass(frozen=True)
class UnionScores:
    """The scores of one model on the images of one task: among its own classes, and among those of all tasks."""

    own: BatchScores
    union: BatchScores


def union_scores(
    scoring: Scoring,
    models: Sequence[nn.Module],
    device: torch.device,
    ranges: Mapping[str, slice],
    task: str,
    *,
    rule: str,
) -> list[UnionScores]:
    """The scores of models on the images of one task.

    Args:
        scoring: gives logits of the classes of all tasks, and labels counted in the classes of ``task``.
        models: the models.
        device: where they are.
        ranges: where the classes of each task stand.
        task: whose images these are.
        rule: how classes of different tasks are compared, see :func:`comparable`.
    """
    own: list[dict[int, BatchScore]] = [{} for _ in models]
    union: list[dict[int, BatchScore]] = [{} for _ in models]
    place = ranges[task]
    with scoring.autocast(), reusing_freed_memory():
        for number, (logits, labels) in enumerate(scoring.logits(models, device)):
            for index, one in enumerate(logits):
                own[index][number] = _batch(one[:, place], labels)
                union[index][number] = _batch(comparable(one, ranges, rule), labels + place.start)
    return [UnionScores(first, second) for first, second in zip(own, union, strict=True)]


def comparable(logits: Tensor, ranges: Mapping[str, slice], rule: str) -> Tensor:
    """Scores ``(images, classes)`` of which the largest decides among the classes of all tasks.

    Args:
        logits: of the classes of all tasks side by side.
        ranges: where those of each task stand.
        rule: ``logits`` compares them as they are; ``probabilities`` compares those within each task, as an ensemble
            does whose members know the classes of one task each.
    """
    if rule == "logits":
        return logits
    return torch.cat([log_softmax(logits[:, place], dim=-1) for place in ranges.values()], dim=1)


def _batch(scores: Tensor, labels: Tensor) -> BatchScore:
    correct = int((scores.argmax(dim=-1) == labels).sum())
    return BatchScore(correct, float(cross_entropy(scores, labels, reduction="sum")), len(labels))
