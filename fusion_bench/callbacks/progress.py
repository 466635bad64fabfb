"""How far a run has come: one line that is drawn anew on a terminal, a line now and then in a log elsewhere."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, TextIO

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from fusion_bench.runtime import Callback, RunStart, StepEvent

log = logging.getLogger(__name__)

_LINE_SECONDS = 30.0  # between two lines where there is no terminal
_DRAW_SECONDS = 0.1
_BAR = "|{bar:20}| {n_fmt} of {total_fmt} models, {elapsed}  {desc}"


@dataclass
class _Place:
    """Where one order is."""

    done: int = 0  # models
    total: int = 0
    model: str = ""
    phase: str = "starting"
    tensors: tuple[int, int] | None = None

    def __str__(self) -> str:
        phase = f"{self.phase} {self.tensors[0]} of {self.tensors[1]} tensors" if self.tensors else self.phase
        return (
            f"model {min(self.done + 1, self.total)} of {self.total} ({self.model}): {phase}" if self.total else phase
        )


class ProgressDisplay:
    """One display for all orders of a run; several threads may report to it.

    Log lines are written above the line of a terminal. Where standard error is none, progress itself is logged, so that
    neither a pipe nor a file gets control characters.

    Args:
        orders: how many orders there are.
        stream: where the line is drawn; None is standard error.
        clock: gives seconds.
    """

    def __init__(
        self, orders: int = 1, *, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.orders = orders
        self._stream, self._clock = stream or sys.stderr, clock
        self._is_terminal = self._stream.isatty()
        self._places: dict[int, _Place] = {}
        self._finished = 0  # models of orders that are complete
        self._bar: Any = None
        self._last = self._start = clock()
        self._opened = 0
        self._stack = ExitStack()
        self._lock = threading.RLock()

    def __enter__(self) -> ProgressDisplay:
        """Show the display; it may be entered again inside."""
        with self._lock:
            self._opened += 1
            if self._opened == 1:
                self._start = self._last = self._clock()
                if self._is_terminal:
                    self._stack.enter_context(logging_redirect_tqdm())
                    self._bar = tqdm(
                        total=0, bar_format=_BAR, file=self._stream, leave=False, dynamic_ncols=True, mininterval=0
                    )
        return self

    def __exit__(self, *error: object) -> None:
        """Take the display away, when everybody who entered it has left."""
        with self._lock:
            self._opened -= 1
            if self._opened == 0:
                if self._bar is not None:
                    self._bar.close()
                    self._bar = None
                self._stack.close()

    def change(self, order: int, **what: Any) -> None:
        """Note where an order is, and show it when it is time to."""
        with self._lock:
            place = self._places.setdefault(order, _Place())
            vars(place).update(what)
            wait = _DRAW_SECONDS if self._is_terminal else _LINE_SECONDS
            if self._opened and self._clock() - self._last >= wait:
                self._last = self._clock()
                self._show(order, place)

    def finish(self, order: int, models: int) -> None:
        """Note that an order of some models is complete."""
        with self._lock:
            self._places.pop(order, None)
            self._finished += models

    def _show(self, order: int, place: _Place) -> None:
        done = self._finished + sum(other.done for other in self._places.values())
        total = max(place.total * self.orders, done)
        text = f"order {order + 1} of {self.orders}, {place}" if self.orders > 1 else str(place)
        if self._bar is not None:
            self._bar.total, self._bar.n = total, done
            self._bar.set_description_str(text)
        elif not self._is_terminal:
            log.info("%s; %d of %d models done after %s", text, done, total, _clock_time(self._clock() - self._start))


@dataclass
class ShowProgress(Callback):
    """Reports one order to the display: its model, its phase, the tensors of the current step."""

    display: ProgressDisplay = field(default_factory=ProgressDisplay)
    order: int = 0
    _names: tuple[str, ...] = ()

    def on_run_start(self, start: RunStart) -> None:
        """Show the display."""
        self._names = start.order
        self.display.__enter__()
        self._at(start.first_step)

    def on_phase(self, phase: str) -> None:
        """Called when a phase of the run begins."""
        self.display.change(self.order, phase=phase, tensors=None)

    def on_progress(self, done: int, total: int) -> None:
        """Count the tensors of the current step."""
        self.display.change(self.order, tensors=(done, total))

    def on_step(self, event: StepEvent) -> None:
        """Go on to the next model."""
        self._at(event.index + 1)

    def on_run_end(self) -> None:
        """Take the display away, unless others use it."""
        if self._names:
            self._names = ()
            self.display.__exit__()

    def _at(self, index: int) -> None:
        name = self._names[min(index, len(self._names) - 1)]
        self.display.change(self.order, done=index, total=len(self._names), model=name, tensors=None)


def _clock_time(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
