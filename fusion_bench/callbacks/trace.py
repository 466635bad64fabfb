"""Keep the numbers a method reports about each step: norms, λ_t, split ranks."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fusion_bench.runtime import Callback, RunStart, StepEvent
from fusion_bench.utils.files import read_json, write_json


@dataclass
class WriteTrace(Callback):
    """Writes one row per step to a JSON file, replaced as a whole after each step."""

    path: Path
    rows: list[dict[str, Any]] = field(default_factory=list)

    def on_run_start(self, start: RunStart) -> None:
        """Take over the rows of the complete steps of an interrupted run."""
        self.rows = read_json(self.path)[: start.first_step] if start.first_step and self.path.exists() else []

    def on_step(self, event: StepEvent) -> None:
        """Add the row of this step."""
        if any(row["step"] == event.index for row in self.rows):
            return
        row: dict[str, Any] = {"step": event.index, "name": event.name, **event.metrics}
        if event.split_ranks:
            row["split_ranks"] = dict(event.split_ranks)
        self.rows.append(row)
        write_json(self.path, self.rows)
