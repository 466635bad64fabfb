"""Results of a run as typed, frozen values that go to JSON and back."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

MODEL_INFO = "model_info"
AVERAGE = "average"
JOINT = "joint"
FINGERPRINTS = "fingerprints"
RESERVED_NAMES = (MODEL_INFO, AVERAGE, JOINT, FINGERPRINTS)


@dataclass(frozen=True)
class TaskScore:
    """Top-1 accuracy in 0..1 and the mean loss over the samples of one task."""

    accuracy: float
    loss: float

    def to_dict(self) -> dict[str, float]:
        """``{"accuracy": …, "loss": …}``."""
        return {"accuracy": self.accuracy, "loss": self.loss}


@dataclass(frozen=True)
class ModelInfo:
    """How large the scored model is, and its name if it has one."""

    trainable_params: int
    all_params: int
    name: str | None = None

    @property
    def trainable_percentage(self) -> float:
        """Share of trainable parameters, in 0..1."""
        return self.trainable_params / self.all_params if self.all_params else 0.0

    def to_dict(self) -> dict[str, Any]:
        """The ``model_info`` entry of a report."""
        info = {
            "trainable_params": self.trainable_params,
            "all_params": self.all_params,
            "trainable_percentage": self.trainable_percentage,
        }
        return info | ({"name": self.name} if self.name is not None else {})


@dataclass(frozen=True)
class EvalReport(Mapping[str, Any]):
    """Scores of one model; reads like its JSON form: ``report["average"]["accuracy"]``.

    ``fingerprints`` says which files a run was made from, by kind and name; empty where that is not known. ``joint`` is
    the score among the classes of all tasks together, over their images; None where that was not measured.
    """

    model_info: ModelInfo
    scores: Mapping[str, TaskScore] = field(default_factory=dict)
    fingerprints: Mapping[str, Any] = field(default_factory=dict)
    joint: TaskScore | None = None

    @property
    def average(self) -> TaskScore | None:
        """Mean over the tasks; None where no task was scored."""
        if not self.scores:
            return None
        scores = list(self.scores.values())
        return TaskScore(
            math.fsum(score.accuracy for score in scores) / len(scores),  # whatever the order of the tasks
            math.fsum(score.loss for score in scores) / len(scores),
        )

    def merged_with(self, other: EvalReport) -> EvalReport:
        """This report with the scores of ``other`` added, without ``joint``."""
        return replace(self, scores={**self.scores, **other.scores}, joint=None)

    def select(self, tasks: Sequence[str]) -> EvalReport:
        """The same report with only ``tasks``, in that order, without ``joint``."""
        return replace(self, scores={task: self.scores[task] for task in tasks}, joint=None)

    def to_dict(self) -> dict[str, Any]:
        """The JSON form: ``model_info``, one entry a task, ``average``; ``joint`` and ``fingerprints`` if known."""
        entries: dict[str, Any] = {MODEL_INFO: self.model_info.to_dict()}
        entries.update((task, score.to_dict()) for task, score in self.scores.items())
        if self.average is not None:
            entries[AVERAGE] = self.average.to_dict()
        if self.joint is not None:
            entries[JOINT] = self.joint.to_dict()
        if self.fingerprints:
            entries[FINGERPRINTS] = dict(self.fingerprints)
        return entries

    @classmethod
    def from_dict(cls, entries: Mapping[str, Any]) -> EvalReport:
        """Read the JSON form back.

        Raises:
            ValueError: if an entry is missing or is not what a report holds.
        """
        try:
            info, joint = entries[MODEL_INFO], entries.get(JOINT)
            return cls(
                ModelInfo(info["trainable_params"], info["all_params"], info.get("name")),
                {
                    task: TaskScore(score["accuracy"], score["loss"])
                    for task, score in entries.items()
                    if task not in RESERVED_NAMES
                },
                dict(entries.get(FINGERPRINTS) or {}),
                TaskScore(joint["accuracy"], joint["loss"]) if joint is not None else None,
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not an evaluation report: {type(error).__name__}: {error}") from error

    def __getitem__(self, key: str) -> Any:
        return self.to_dict()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.to_dict())

    def __len__(self) -> int:
        return len(self.to_dict())


@dataclass(frozen=True)
class ContinualReport:
    """The accuracy matrix of a continual run and what follows from it.

    ``accuracy[t][i]`` is the accuracy, in 0..1, on task ``tasks[i]`` after step ``t``; None where it was not measured.
    ``tasks`` are those of ``order`` that the task pool scores, in order of arrival; ``arrival[i]`` is the step at
    which task ``i`` was merged.
    """

    order: tuple[str, ...]
    tasks: tuple[str, ...]
    accuracy: tuple[tuple[float | None, ...], ...]
    individual: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def from_steps(
        cls,
        order: Sequence[str],
        tasks: Sequence[str],
        steps: Mapping[int, EvalReport],
        individual: Mapping[str, float] | None = None,
    ) -> ContinualReport:
        """Collect the reports of the steps; a step without a report is a row of None."""
        arriving = tuple(name for name in order if name in tasks)

        def cell(step: int, task: str) -> float | None:
            score = steps[step].scores.get(task) if step in steps else None
            return None if score is None else score.accuracy

        matrix = tuple(tuple(cell(step, task) for task in arriving) for step in range(len(order)))
        return cls(tuple(order), arriving, matrix, dict(individual or {}))

    @property
    def final(self) -> tuple[float | None, ...]:
        """The last row: accuracy of every task after the last step."""
        return self.accuracy[-1] if self.accuracy else ()

    @property
    def average_accuracy(self) -> float | None:
        """ACC: mean of the last row, None unless it is complete."""
        return _mean(self.final)

    @property
    def backward_transfer(self) -> float | None:
        """BWT = 1/(T-1) sum over i < T of (a[T][i] - a[i][i]); None for one task or where a cell is missing."""
        return _mean(self._changes())

    @property
    def backward_transfer_over_all(self) -> float | None:
        """The same sum divided by T, as some papers print it."""
        mean = self.backward_transfer
        return None if mean is None else mean * (len(self.tasks) - 1) / len(self.tasks)

    @property
    def forgetting_per_task(self) -> dict[str, float]:
        """max over t < T of a[t][i] - a[T][i], for each earlier task measured at every step since its arrival."""
        drops = {}
        for column, task in enumerate(self.tasks[:-1]):
            earlier = [row[column] for row in self.accuracy[:-1]]
            last = self.final[column]
            if last is not None and None not in earlier[self.order.index(task) :]:
                drops[task] = max(value for value in earlier if value is not None) - last
        return drops

    @property
    def forgetting(self) -> float | None:
        """Mean of :attr:`forgetting_per_task`; None unless it is known for every earlier task."""
        drops = self.forgetting_per_task
        return _mean(list(drops.values())) if len(drops) == len(self.tasks) - 1 else None

    @property
    def normalised_accuracy_per_task(self) -> dict[str, float]:
        """a[T][i] / individual accuracy, for the tasks whose individual accuracy is known and not 0."""
        return {
            task: value / self.individual[task]
            for task, value in zip(self.tasks, self.final, strict=True)
            if value is not None and self.individual.get(task)
        }

    @property
    def normalised_accuracy(self) -> float | None:
        """Mean of :attr:`normalised_accuracy_per_task`; None unless it is known for every task."""
        ratios = self.normalised_accuracy_per_task
        return _mean(list(ratios.values())) if len(ratios) == len(self.tasks) else None

    def scalars(self) -> dict[str, float]:
        """The metrics that are known, by the names used in logs."""
        named = {
            "continual/ACC": self.average_accuracy,
            "continual/BWT": self.backward_transfer,
            "continual/BWT_over_T": self.backward_transfer_over_all,
            "continual/forgetting": self.forgetting,
            "continual/normalised_accuracy": self.normalised_accuracy,
        }
        return {name: value for name, value in named.items() if value is not None}

    def to_dict(self) -> dict[str, Any]:
        """The JSON form, ``continual_report.json``."""
        return {
            "order": list(self.order),
            "tasks": list(self.tasks),
            "accuracy_matrix": [list(row) for row in self.accuracy],
            "ACC": self.average_accuracy,
            "BWT": self.backward_transfer,
            "BWT_over_T": self.backward_transfer_over_all,
            "forgetting": self.forgetting,
            "forgetting_per_task": self.forgetting_per_task,
            "individual_accuracy": dict(self.individual) or None,
            "normalised_accuracy": self.normalised_accuracy,
            "normalised_accuracy_per_task": self.normalised_accuracy_per_task or None,
        }

    @classmethod
    def from_dict(cls, entries: Mapping[str, Any]) -> ContinualReport:
        """Read the JSON form back; the metrics are computed again from the matrix.

        Raises:
            ValueError: if an entry is missing or has the wrong shape.
        """
        try:
            return cls(
                tuple(entries["order"]),
                tuple(entries["tasks"]),
                tuple(tuple(row) for row in entries["accuracy_matrix"]),
                dict(entries.get("individual_accuracy") or {}),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"not a continual report: {type(error).__name__}: {error}") from error

    def _changes(self) -> list[float | None]:
        changes: list[float | None] = []
        for column, task in enumerate(self.tasks[:-1]):
            learnt, last = self.accuracy[self.order.index(task)][column], self.final[column]
            changes.append(None if learnt is None or last is None else last - learnt)
        return changes


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return math.fsum(known) / len(known) if known and len(known) == len(values) else None
