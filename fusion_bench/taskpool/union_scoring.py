"""Accuracy among the classes of a task, and among those of all tasks together, in one pass.

The settings of Xu et al., "Training-Free Pretrained Model Merging" (MuDSC), CVPR 2024, arXiv 2403.01753.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import log_softmax

from fusion_bench.taskpool.scoring import BatchScores, Scoring, Tally

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
    place, tally = ranges[task], Tally()
    with scoring.autocast():
        for logits, labels in scoring.logits(models, device):
            own = [(one[:, place], labels) for one in logits]
            union = [(comparable(one, ranges, rule), labels + place.start) for one in logits]
            tally.add([*own, *union])
    columns = tally.columns()
    return [UnionScores(*pair) for pair in zip(columns[: len(models)], columns[len(models) :], strict=True)]


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
