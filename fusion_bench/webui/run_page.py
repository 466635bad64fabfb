"""The page of one run: how far it is, what it says, how to stop it, and what came out."""

from __future__ import annotations

import asyncio
import shlex
from pathlib import Path

from nicegui import ui

from fusion_bench.webui import results
from fusion_bench.webui.desk import Desk
from fusion_bench.webui.frame import frame, heading
from fusion_bench.webui.job import Job, tail
from fusion_bench.webui.outcome import Outcome

LOG_LINES = 1000


class RunPage:
    """One view of the run in ``log_dir``; the run itself goes on without it."""

    def __init__(self, desk: Desk, log_dir: Path) -> None:
        self._desk = desk
        self._log_dir = log_dir
        self._log_lines = 0  # how many of them are shown

    def build(self) -> None:
        """Build the page."""
        with frame("Run"):
            ui.label(str(self._log_dir)).classes("where")
            with ui.element("section").classes("card status"):
                self._build_status()
            self._outcome = Outcome(self._desk, self._log_dir)
            with ui.element("section").classes("card"):
                heading("Log", 2)
                self._log = ui.log(max_lines=LOG_LINES).classes("log").props('tabindex=0 aria-label="Log"')
            self._outcome.build_files()
        ui.timer(0.05, self._update, once=True)
        self._timer = ui.timer(1.0, self._update)

    def _build_status(self) -> None:
        with ui.element("div").classes("line"):
            self._badge = ui.label().classes("badge").props("role=status")
            self._time = ui.label().classes("time")
            self._stop = ui.button("Stop", icon="stop", on_click=self._stop_run, color="negative")
            self._stop.props("unelevated no-caps")
        self._bar = ui.linear_progress(value=0, show_value=False, size="8px").props("rounded aria-label=Progress")
        self._step = ui.label().classes("step")
        self._error = ui.label().classes("problem block").props("role=alert")
        self._again = ui.link("Change the options and run again", "/")
        self._command = ui.label().classes("code").props('tabindex=0 aria-label="Command"')

    async def _update(self) -> None:
        """Show what has happened since; once the run has ended there is nothing more to come."""
        job = self._desk.runner.job_in(self._log_dir)
        going_on = job is not None and job.is_running
        self._show_log(job.log() if job is not None else tail(self._log_dir / "cli.log"))
        await self._outcome.update()
        if job is not None:
            self._show_job(job)
        else:
            self._show_files_only()
        if not going_on:
            self._timer.deactivate()

    def _show_job(self, job: Job) -> None:
        going_on, state, error = job.is_running, job.state, job.error
        self._show_state(state, error)
        self._time.set_text(_duration(job.seconds))
        self._stop.set_visibility(going_on)
        self._stop.set_enabled(state == "running")
        self._again.set_visibility(not going_on)
        self._show_command(job.arguments)
        found = results.progress(self._log_dir)
        self._bar.set_visibility(going_on)
        known = found is not None
        self._bar.props(add=None if known else "indeterminate", remove="indeterminate" if known else None)
        self._step.set_visibility(found is not None)
        if found is not None:
            self._bar.set_value(found.done / found.total)
            last = f", the last one {found.name}" if found.name and going_on else ""
            self._step.set_text(f"{found.done} of {found.total} models merged{last}")

    def _show_files_only(self) -> None:
        """A run of which this server knows no more than its files."""
        for element in (self._time, self._stop, self._bar, self._step, self._again):
            element.set_visibility(False)
        if self._outcome.finished:
            self._show_state("finished", None)
        elif self._log_dir.is_dir():
            self._show_state("unfinished", "\n".join(problem.message for problem in self._outcome.problems))
        else:
            self._show_state("unknown", f"there is no run in {self._log_dir}")
        self._show_command(self._outcome.finished[0].overrides if len(self._outcome.finished) == 1 else ())

    def _show_state(self, state: str, error: str | None) -> None:
        self._badge.set_text(state)
        self._badge.classes(replace=f"badge {state}")
        self._error.set_text(error or "")
        self._error.set_visibility(bool(error))

    def _show_command(self, arguments: tuple[str, ...]) -> None:
        self._command.set_text(shlex.join(["fusion_bench", *arguments]))
        self._command.set_visibility(bool(arguments))

    def _show_log(self, lines: list[str]) -> None:
        for line in lines[max(self._log_lines, len(lines) - LOG_LINES) :]:
            self._log.push(line or " ")
        self._log_lines = len(lines)

    async def _stop_run(self) -> None:
        job = self._desk.runner.job_in(self._log_dir)
        if job is not None:
            self._stop.set_enabled(False)
            await asyncio.to_thread(job.stop)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
