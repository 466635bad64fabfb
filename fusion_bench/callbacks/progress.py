"""Progress bars: models merged, and tensors of the current step."""

from __future__ import annotations

from typing import Any

from tqdm.auto import tqdm

from fusion_bench.runtime import Callback, RunStart, StepEvent


class ProgressBars(Callback):
    """One bar over the models and one over the tensors of a step; silent where standard error is not a terminal."""

    def __init__(self) -> None:
        self._models: Any = None
        self._tensors: Any = None

    def on_run_start(self, start: RunStart) -> None:
        """Open the bars."""
        self._models = tqdm(
            total=len(start.order), initial=start.first_step, desc="models", unit="model", position=0, disable=None
        )
        self._tensors = tqdm(desc="tensors", unit="tensor", position=1, leave=False, disable=None)

    def on_progress(self, done: int, total: int) -> None:
        """Advance the bar of the current step."""
        self._tensors.total = total
        self._tensors.update(done - self._tensors.n)

    def on_step(self, event: StepEvent) -> None:
        """Advance the bar over the models."""
        self._models.set_postfix_str(event.name)
        self._models.update(event.index + 1 - self._models.n)
        self._tensors.reset()

    def on_run_end(self) -> None:
        """Close the bars."""
        for bar in (self._tensors, self._models):
            if bar is not None:
                bar.close()
