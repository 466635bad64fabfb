"""Save the merged model after every step."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path

from fusion_bench.runtime import Callback, RunStart, StepEvent
from fusion_bench.utils.files import remove_partial
from fusion_bench.utils.memory import release_free_memory
from fusion_bench.utils.timing import Profile

log = logging.getLogger(__name__)


@dataclass
class SaveCheckpoints(Callback):
    """Writes ``<directory>/merged_model_{step}/`` in HF format; a directory of that name is always complete."""

    directory: Path
    profile: Profile = field(default_factory=Profile)

    def on_run_start(self, start: RunStart) -> None:
        """Remove what an interrupted run left half-written."""
        if self.directory.is_dir():
            remove_partial(self.directory)

    def on_step(self, event: StepEvent) -> None:
        """Write the merged parameters of this step."""
        path = self.directory / model_name(event.index)
        with self.profile("saving"):
            event.save_params(event.params, path)
            release_free_memory()  # before whoever comes next builds the model
        log.info("saved %s", path)


def model_name(step: int) -> str:
    """What the merged model of a step is called, among the checkpoints and in reports."""
    return f"merged_model_{step}"
