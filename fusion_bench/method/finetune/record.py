"""What a fine-tuning run was and how it went, as values that go to JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from torch import nn


@dataclass(frozen=True, kw_only=True)
class CurvePoint:
    """One point of the learning curve."""

    step: int
    loss: float  # of the training batches since the point before, their mean
    learning_rate: float
    validation_accuracy: float | None = None  # None where nothing was validated

    def scalars(self) -> dict[str, float]:
        """The numbers by the names they are logged under."""
        values = {"train/loss": self.loss, "train/learning_rate": self.learning_rate}
        if self.validation_accuracy is not None:
            values["validation/accuracy"] = self.validation_accuracy
        return values


@dataclass(frozen=True, kw_only=True)
class FineTuneRecord:
    """The task, the settings and the course of one fine-tuning run."""

    task: str
    start: str  # name of the model in the pool that training started from
    start_fingerprint: str
    method: Mapping[str, Any]  # the configuration that rebuilds the method
    seed: int
    classes: int
    training_images: int
    device: str
    precision: str  # dtype of the computation; weights are trained in float32
    trained_parameters: int
    all_parameters: int
    accuracy_before: float  # on the validation images, in 0..1
    accuracy_after: float  # of the model that was kept
    kept_step: int
    seconds: float
    curve: tuple[CurvePoint, ...]

    def to_dict(self) -> dict[str, Any]:
        """The content of ``finetune_report.json``."""
        return asdict(self)

    def summary(self) -> str:
        """One line with the accuracy before and after."""
        return (
            f"{self.task}: validation accuracy {100 * self.accuracy_before:.2f} % before and "
            f"{100 * self.accuracy_after:.2f} % after fine-tuning {self.start} (weights of step {self.kept_step}, "
            f"{self.trained_parameters} of {self.all_parameters} parameters trained, {self.seconds:.1f} s)"
        )


class FineTuned(NamedTuple):
    """The fine-tuned vision model, in float32 on the CPU, and how it came about."""

    model: nn.Module
    record: FineTuneRecord
