"""What is planned for a fine-tuning run, and how far it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from torch import Tensor

from fusion_bench.method.finetune.record import CurvePoint

if TYPE_CHECKING:
    from fusion_bench.method.finetune.clip_vision import FineTuneClipVision

CURVE_POINTS = 100


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How long to train, and when to do what besides."""

    steps: int
    gradient_clip: float | None
    validate_every: int  # 0: at the end only
    keep_best: bool
    save_every: int  # 0: never

    @classmethod
    def of(cls, method: FineTuneClipVision, *, saves: bool) -> Plan:
        """What the options of a method ask for; nothing is saved unless ``saves``."""
        return cls(
            steps=method.steps,
            gradient_clip=method.gradient_clip,
            validate_every=method.validate_every,
            keep_best=method.keep == "best",
            save_every=method.save_every if saves else 0,
        )

    def validates_after(self, step: int) -> bool:
        """Whether the model is validated after a step; it always is after the last."""
        return step == self.steps or (self.validate_every > 0 and step % self.validate_every == 0)

    def saves_after(self, step: int) -> bool:
        """Whether the state is saved after a step."""
        return self.save_every > 0 and (step == self.steps or step % self.save_every == 0)

    def records(self, step: int) -> bool:
        """Whether a step ends with a point of the learning curve."""
        return self.validates_after(step) or step % max(1, self.steps // CURVE_POINTS) == 0


@dataclass
class Progress:
    """How far a run is. Everything but the weights and moments that go on being trained."""

    step: int = 0
    accuracy_before: float | None = None
    curve: list[CurvePoint] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)  # since the last point of the curve
    seconds: float = 0.0
    kept_step: int = 0
    kept_accuracy: float = -1.0
    loss_scale: dict[str, float] = field(default_factory=dict)  # its state; empty where the loss is not scaled
    kept: dict[str, Tensor] = field(default_factory=dict)  # on the CPU; while the best weights are looked for
