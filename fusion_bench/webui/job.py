"""A run as a process of its own, with a log, that can be stopped; one at a time."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

PROGRAM = (sys.executable, "-m", "fusion_bench")
GRACE = 10.0  # seconds that a run has to end by itself before it is killed
_TAIL = 400_000  # bytes of a log that are shown


class Job:
    """One run, started at once in a process group of its own, without a shell.

    Args:
        program: what to start.
        arguments: what follows ``fusion_bench`` on the command line.
        log_dir: the directory of the run.
        log_file: where its output goes.
    """

    def __init__(self, program: Sequence[str], arguments: Sequence[str], log_dir: Path, log_file: Path) -> None:
        self.arguments = tuple(arguments)
        self.log_dir = log_dir
        self.log_file = log_file
        self.started = time.time()
        self.ended: float | None = None
        self.stop_requested = False
        with log_file.open("wb") as log:
            self._process = subprocess.Popen(
                [*program, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
                start_new_session=True,
            )
        threading.Thread(target=self._watch, daemon=True).start()

    @property
    def is_running(self) -> bool:
        """Whether the process has not ended."""
        return self.ended is None

    @property
    def state(self) -> str:
        """``running``, ``stopping``, ``stopped``, ``finished`` or ``failed``."""
        if self.is_running:
            return "stopping" if self.stop_requested else "running"
        if self._process.returncode == 0:
            return "finished"
        return "stopped" if self.stop_requested else "failed"

    @property
    def seconds(self) -> float:
        """How long it has run."""
        return (self.ended or time.time()) - self.started

    def log(self) -> list[str]:
        """The lines of the output so far, the last ones where there are many."""
        return tail(self.log_file)

    @property
    def error(self) -> str | None:
        """What the command line said last, if the run failed."""
        if self.state != "failed":
            return None
        told = [line for line in self.log() if line.strip()]
        starts = [number for number, line in enumerate(told) if line.startswith("error: ")]
        if starts:
            return "\n".join(told[starts[-1] :]).removeprefix("error: ")
        last = told[-1] if told else ""
        return last or f"the run ended with status {self._process.returncode}"

    def stop(self, grace: float = GRACE) -> None:
        """Interrupt the run as Ctrl-C does, and kill whatever is left of it after ``grace`` seconds."""
        self.stop_requested = self.stop_requested or self.is_running
        self._signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(grace)
        self._signal(signal.SIGKILL)
        self._process.wait()
        self._settle()

    def _signal(self, number: signal.Signals) -> None:
        """Signal every process of the group, also those that outlive the first."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    def _watch(self) -> None:
        self._process.wait()
        self._settle()

    def _settle(self) -> None:
        if self.ended is None:
            self.ended = time.time()


class Runner:
    """Starts runs one at a time and remembers the last of them.

    Args:
        program: what to start them with; the command line of this package, unless told otherwise.
    """

    def __init__(self, program: Sequence[str] = PROGRAM) -> None:
        self._command = program
        self._logs = tempfile.TemporaryDirectory(prefix="fusion_bench_webui-")
        self._started = 0
        self._starting = threading.Lock()
        self.job: Job | None = None

    def start(self, arguments: Sequence[str], log_dir: Path) -> Job:
        """Start a run.

        Raises:
            RuntimeError: if one is running.
        """
        with self._starting:
            if self.job is not None and self.job.is_running:
                raise RuntimeError("a run is going on; wait for its end or stop it")
            self._started += 1
            self.job = Job(self._command, arguments, log_dir, Path(self._logs.name, f"{self._started}.log"))
            return self.job

    def job_in(self, log_dir: Path) -> Job | None:
        """The last run, if it lives in this directory."""
        return self.job if self.job is not None and self.job.log_dir == log_dir else None

    def close(self) -> None:
        """Stop what is running and remove the logs, which runs also keep in their own directories."""
        if self.job is not None and self.job.is_running:
            self.job.stop()
        self._logs.cleanup()


def tail(file: Path) -> list[str]:
    """The lines at the end of a log; a progress bar shows as it stands."""
    if not file.is_file():
        return []
    with file.open("rb") as stream:
        size = stream.seek(0, os.SEEK_END)
        stream.seek(max(0, size - _TAIL))
        text = stream.read().decode("utf-8", errors="replace")
    lines = text.split("\n")[1 if size > _TAIL else 0 :]
    return [_as_shown(line) for line in (lines if lines[-1] else lines[:-1])]


def _as_shown(line: str) -> str:
    """What a terminal shows of a line in which the cursor went back to its start."""
    return line.rstrip("\r").rpartition("\r")[2]
