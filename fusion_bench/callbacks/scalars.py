"""Send the scalars of a run to whichever loggers are configured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fusion_bench.runtime import Callback, StepEvent


@dataclass
class LogScalars(Callback):
    """Writes norms and λ_t of every step to Lightning loggers; no logger is fine."""

    loggers: Sequence[Any] = ()

    def write(self, scalars: Mapping[str, float], step: int) -> None:
        """Log ``scalars`` by name at ``step``."""
        for logger in self.loggers:
            logger.log_metrics(dict(scalars), step=step)

    def on_step(self, event: StepEvent) -> None:
        """Log the metrics of this step."""
        if event.metrics:
            self.write(event.metrics, event.index)

    def on_run_end(self) -> None:
        """Make sure everything is on disk."""
        for logger in self.loggers:
            logger.save()
