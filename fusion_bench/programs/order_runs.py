"""Runs a continual method in several orders, each in a directory of its own; what they share is set up once."""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fusion_bench.callbacks.progress import ProgressDisplay, ShowProgress
from fusion_bench.callbacks.shared_scores import SharedScores
from fusion_bench.method.continual import ContinualAlgorithm
from fusion_bench.programs.merge import MergeJob, RunResult
from fusion_bench.programs.orders import Order, order_directory
from fusion_bench.programs.run_files import REPORT_FILE
from fusion_bench.report import ContinualReport, EvalReport
from fusion_bench.runtime import Callback, StepEvent
from fusion_bench.utils.files import read_json, write_json
from fusion_bench.utils.timing import Profile

SCORES_DIRECTORY = "scores"


class OrderStoppedError(Exception):
    """An order was stopped because another one failed, or because the user wants the run to end."""


@dataclass(frozen=True)
class OrderOutcome:
    """What a finished order gives: its accuracy matrix, and what it took, which is nothing if it was there already."""

    index: int
    continual: ContinualReport
    wall: float = 0.0  # seconds
    seconds: Mapping[str, float] = field(default_factory=dict)  # by phase
    calls: Mapping[str, int] = field(default_factory=dict)


class OrderFiles:
    """What is written around an order, besides the files of a continual run: its report."""

    def report_path(self, directory: Path) -> Path | None:
        """Where the report of the final model goes; None writes none."""
        return directory / REPORT_FILE

    @contextmanager
    def opened(self, directory: Path, order: Order) -> Iterator[Sequence[Any]]:
        """Loggers that write to the directory of an order, for as long as it is merged."""
        yield ()

    def write(self, result: RunResult, job: MergeJob, directory: Path) -> None:
        """Write what marks an order as finished."""
        path = self.report_path(directory)
        if path is not None and result.report is not None:
            report = result.report
            write_json(path, report.to_dict() if isinstance(report, EvalReport) else dict(report))


@dataclass(frozen=True, kw_only=True)
class OrderRuns:
    """The orders of a run and everything they share.

    Args:
        algorithm: the method, which is not changed.
        job: pools, device and executor.
        orders: the orders.
        log_dir: the directory of the run, with one for each order inside; None writes no files.
        files: what is written around an order.
        shared: scores that orders have in common.
        resume: keep what is finished and go on with the rest.
    """

    algorithm: ContinualAlgorithm
    job: MergeJob
    orders: tuple[Order, ...]
    log_dir: Path | None = None
    files: OrderFiles = field(default_factory=OrderFiles)
    shared: SharedScores = field(default_factory=SharedScores)
    resume: bool = False

    def directory(self, index: int) -> Path | None:
        """The directory of an order."""
        return self.log_dir / order_directory(index) if self.log_dir is not None else None

    def finished(self, index: int) -> OrderOutcome | None:
        """What an order gave that was finished earlier; None if it is still to be run, or to be ended."""
        directory = self.directory(index)
        report = self.files.report_path(directory) if directory is not None else None
        if directory is None or report is None or not report.exists():
            return None
        try:
            EvalReport.from_dict(read_json(report))
            continual = ContinualReport.from_dict(read_json(directory / "continual_report.json"))
        except (ValueError, OSError):
            return None  # damaged: written again from what the order has kept
        return OrderOutcome(index, continual) if continual.order == self.orders[index] else None

    def run(
        self, index: int, *, display: ProgressDisplay | None = None, stop: threading.Event | None = None
    ) -> OrderOutcome:
        """Merge and score one order.

        Args:
            index: which.
            display: shows how far it has come.
            stop: ends it, with what is complete kept, when it is set.

        Raises:
            OrderStoppedError: when ``stop`` is set.
        """
        order, directory, start = self.orders[index], self.directory(index), time.perf_counter()
        algorithm = copy.copy(self.algorithm)
        algorithm.order, algorithm.shuffle_order = list(order), False
        profile = Profile()
        with self._opened(directory, order) as loggers:
            result = self.job.run(
                algorithm,
                log_dir=directory,
                resume=self.resume,
                loggers=loggers,
                profile=profile,
                shared=self.shared,
                progress=ShowProgress(display or ProgressDisplay(), index),
                further=[_StopWhen(stop)] if stop is not None else [],
            )
            if directory is not None:
                self.files.write(result, self.job, directory)
        continual = result.continual or ContinualReport.from_steps(order, (), {})
        return OrderOutcome(index, continual, time.perf_counter() - start, profile.seconds, profile.calls)

    @contextmanager
    def _opened(self, directory: Path | None, order: Order) -> Iterator[Sequence[Any]]:
        if directory is None:
            yield ()
            return
        directory.mkdir(parents=True, exist_ok=True)
        with self.files.opened(directory, order) as loggers:
            yield loggers


@dataclass
class _StopWhen(Callback):
    """Ends an order between two tensors or two steps."""

    stop: threading.Event

    def on_progress(self, done: int, total: int) -> None:
        """End it when it is time to."""
        if self.stop.is_set():
            raise OrderStoppedError

    def on_step(self, event: StepEvent) -> None:
        """End it when it is time to."""
        self.on_progress(0, 0)
