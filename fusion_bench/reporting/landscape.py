"""Losses on a plane or a line of weights, as values that go to files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from fusion_bench.functional.landscape import barrier
from fusion_bench.report import EvalReport
from fusion_bench.utils.files import atomic_path, write_json

UNION = "union"


@dataclass(frozen=True, kw_only=True)
class Surface:
    """Scores at several places, by task; ``union`` is the mean over the tasks.

    Args:
        loss: task to a tensor of the shape of the places.
        accuracy: likewise, in 0..1.
    """

    loss: Mapping[str, Tensor]
    accuracy: Mapping[str, Tensor]

    @classmethod
    def from_reports(cls, reports: Sequence[EvalReport], shape: Sequence[int]) -> Surface:
        """Collect the reports of all places, in the order of a tensor of that shape."""
        scores = [
            {**report.scores, UNION: report.average} if report.average else dict(report.scores) for report in reports
        ]

        def collect(kind: str) -> dict[str, Tensor]:
            values = {task: [getattr(one[task], kind) for one in scores] for task in scores[0]}
            return {task: torch.tensor(found, dtype=torch.float64).view(*shape) for task, found in values.items()}

        return cls(loss=collect("loss"), accuracy=collect("accuracy"))

    def tensors(self, prefix: str = "") -> dict[str, Tensor]:
        """All tensors, named ``<prefix>loss/<task>`` and ``<prefix>accuracy/<task>``."""
        kinds = {"loss": self.loss, "accuracy": self.accuracy}
        return {f"{prefix}{kind}/{task}": tensor for kind, by in kinds.items() for task, tensor in by.items()}

    def entries(self) -> dict[str, Any]:
        """The same as lists, for JSON."""
        return {
            kind: {task: tensor.tolist() for task, tensor in by.items()}
            for kind, by in (("loss", self.loss), ("accuracy", self.accuracy))
        }


@dataclass(frozen=True, kw_only=True)
class Landscape:
    """Losses on a lattice of the plane through three networks.

    Args:
        points: name of a network to its place ``(x, y)``, in units of Euclidean distance of weights.
        at: name of a network to its own scores.
        x: ``(width,)``.
        y: ``(height,)``.
        surface: scores of shape ``(height, width)``.
    """

    points: Mapping[str, tuple[float, float]]
    at: Mapping[str, EvalReport]
    x: Tensor
    y: Tensor
    surface: Surface

    def save(self, directory: Path) -> None:
        """Write ``loss_landscape.safetensors``, and the points with their scores as ``loss_landscape.json``."""
        write_tensors(directory / "loss_landscape.safetensors", {"x": self.x, "y": self.y, **self.surface.tensors()})
        points = {
            name: {"x": place[0], "y": place[1], "scores": score_entries(self.at[name])}
            for name, place in self.points.items()
        }
        write_json(directory / "loss_landscape.json", {"points": points})


@dataclass(frozen=True, kw_only=True)
class BarrierCurves:
    """Losses on straight lines between two networks.

    Args:
        ends: the names of the two.
        t: from 0, the first network, to 1, ``(points,)``.
        curves: what was done before to the scores on the line, each ``(points,)``.
    """

    ends: tuple[str, str]
    t: Tensor
    curves: Mapping[str, Surface] = field(default_factory=dict)

    def heights(self) -> dict[str, dict[str, float]]:
        """The barrier of each curve by task: how far the loss rises above the straight line between its ends."""
        return {
            name: {task: barrier(self.t, losses) for task, losses in surface.loss.items()}
            for name, surface in self.curves.items()
        }

    def save(self, directory: Path) -> None:
        """Write everything as ``loss_barrier.json``."""
        entries = {
            "ends": list(self.ends),
            "t": self.t.tolist(),
            "barriers": self.heights(),
            "curves": {name: surface.entries() for name, surface in self.curves.items()},
        }
        write_json(directory / "loss_barrier.json", entries)


def score_entries(report: EvalReport) -> dict[str, Any]:
    """Scores by task and for their union."""
    scores = {**report.scores, UNION: report.average} if report.average else dict(report.scores)
    return {task: score.to_dict() for task, score in scores.items()}


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write tensors as safetensors, atomically."""
    with atomic_path(path) as partial:
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, partial)
