"""Where the time of a run goes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Profile:
    """Seconds spent and number of entries per named phase."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.calls: dict[str, int] = {}
        self._watch: Callable[[str], None] | None = None

    @contextmanager
    def __call__(self, phase: str) -> Iterator[None]:
        """Count the time inside the block towards ``phase``."""
        if self._watch is not None:
            self._watch(phase)
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[phase] = self.seconds.get(phase, 0.0) + time.perf_counter() - start
            self.calls[phase] = self.calls.get(phase, 0) + 1

    def watched_by(self, watch: Callable[[str], None] | None) -> None:
        """Tell ``watch`` the name of each phase that begins from now on; None tells nobody."""
        self._watch = watch

    def add(self, seconds: dict[str, float], calls: dict[str, int]) -> None:
        """Count what another profile has counted."""
        for phase in seconds:
            self.seconds[phase] = self.seconds.get(phase, 0.0) + seconds[phase]
            self.calls[phase] = self.calls.get(phase, 0) + calls[phase]

    def summary(self) -> str:
        """A table of the phases in the order of their first use; empty when nothing was timed."""
        if not self.seconds:
            return ""
        width = max(map(len, self.seconds))
        rows = [
            f"{phase:<{width}}  {self.calls[phase]:>5}  {seconds:>9.2f} s  {seconds / self.calls[phase]:>9.3f} s"
            for phase, seconds in self.seconds.items()
        ]
        header = f"{'phase':<{width}}  {'calls':>5}  {'total':>11}  {'each':>11}"
        return "\n".join([header, *rows])
