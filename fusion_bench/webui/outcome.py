"""The tables and files of one run, brought up to date while it goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from nicegui import ui

from fusion_bench.report import ContinualReport
from fusion_bench.reporting.run import Run
from fusion_bench.reporting.run_problems import Problem
from fusion_bench.webui import markup, results
from fusion_bench.webui.desk import Desk
from fusion_bench.webui.frame import heading


class Outcome:
    """What the files in ``log_dir`` say, in the place where this is made."""

    def __init__(self, desk: Desk, log_dir: Path) -> None:
        self._desk = desk
        self._log_dir = log_dir
        self._seen: list[tuple[str, int]] | None = None  # the files as they were shown last
        self._tables = ui.element("div")
        self.finished: Sequence[Run] = ()
        self.problems: Sequence[Problem] = ()

    def build_files(self) -> None:
        """The place of the list of files."""
        self._files = ui.element("div")

    async def update(self) -> None:
        """Show the files again if they have changed."""
        files = results.files_of(self._log_dir)
        seen = [(file.name, file.stat().st_mtime_ns) for file in files if file.is_file()]
        if seen == self._seen:
            return
        self._seen = seen
        self.finished, self.problems = await asyncio.to_thread(results.runs_in, self._log_dir)
        self._tables.clear()
        with self._tables:
            self._show_tables()
        self._files.clear()
        with self._files:
            self._show_files(files)

    def _show_tables(self) -> None:
        if len(self.finished) == 1:
            show_run(self.finished[0])
        elif self.finished:
            links = [self._desk.address(item.directory) for item in self.finished]
            named = results.figures(self.finished) if results.is_of_orders(self._log_dir) else []
            table = markup.table(results.listing(self.finished, self._log_dir), "Runs in this directory", links)
            _card("Results", markup.figures(named), table)
        elif (report := results.so_far(self._log_dir)) is not None:
            _card("So far", _matrix(report))

    def _show_files(self, files: Sequence[Path]) -> None:
        listed = [(self._desk.file_address(file), file.name, _size(file)) for file in files if file.is_file()]
        if listed:
            _card("Files", markup.links(listed))


def show_run(item: Run) -> None:
    """The results of a finished run."""
    parts = [markup.figures(results.figures([item]))]
    if item.continual is not None and item.continual.tasks:
        parts.append(_matrix(item.continual))
    if item.report.scores:
        parts.append(markup.table(results.task_rows(item.report), "The merged model on each task"))
    else:
        parts.append(markup.prose("No task was scored."))
    _card(f"Results of {item.method}", *parts)


def _matrix(report: ContinualReport) -> str:
    return markup.table(results.continual_rows(report), "Accuracy in % after each step")


def _card(title: str, *parts: str) -> None:
    with ui.element("section").classes("card"):
        heading(title, 2)
        for part in parts:
            ui.html(part, sanitize=False)


def _size(file: Path) -> str:
    return f"{file.stat().st_size:,} bytes"
