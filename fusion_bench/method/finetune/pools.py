"""What fine-tuning asks of a task pool and of the images it hands out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

from torch import Tensor, nn

from fusion_bench.models.clip_classifier import ZeroShotClassifier


class Transform(Protocol):
    """The second half of preprocessing."""

    def decode(self, encoded: Tensor) -> Tensor:
        """Pixel values of a batch of encoded images."""
        ...


class Images(Protocol):
    """A data set of encoded images, as a task pool hands it out."""

    @property
    def transform(self) -> Any:
        """What decodes them: a :class:`Transform`."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> tuple[Tensor, int]: ...


@runtime_checkable
class TrainingTaskPool(Protocol):
    """What fine-tuning asks of a task pool."""

    def classifier(self, task: str, tower: nn.Module) -> ZeroShotClassifier:
        """The frozen rest of the classifier of a task."""

    def training_images(self, task: str, source: Any) -> Images:
        """Training images, preprocessed and labelled as the task pool does it."""

    def evaluate(self, model: nn.Module, name: str | None = None, *, tasks: Any = None) -> Mapping[str, Any]:
        """The report on ``tasks``."""
