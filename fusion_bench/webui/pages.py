"""The addresses of the server and what is behind them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from fastapi.responses import FileResponse, PlainTextResponse, Response
from nicegui import app, ui

from fusion_bench.reporting.run import Run
from fusion_bench.reporting.run_problems import Problem
from fusion_bench.webui import markup, results
from fusion_bench.webui.desk import Desk
from fusion_bench.webui.form_page import FormPage
from fusion_bench.webui.frame import frame, heading
from fusion_bench.webui.run_page import RunPage


def add_pages(desk: Desk) -> None:
    """Tell NiceGUI of every page."""

    @ui.page("/", response_timeout=30.0)
    async def form() -> None:
        FormPage(desk, await asyncio.to_thread(desk.tree)).build()

    @ui.page("/runs", response_timeout=30.0)
    async def runs() -> None:
        finished, problems = await asyncio.to_thread(results.runs_in, desk.output)
        with frame("Runs", "Runs"):
            _list_runs(desk, finished, problems)

    @ui.page("/run/{path:path}")
    def one(path: str) -> None:
        RunPage(desk, desk.directory(path.split("/")) or desk.output / "unknown").build()

    @app.get("/files/{path:path}")
    def file(path: str) -> Response:
        found = desk.directory(path.split("/"))
        if found is None or found not in results.files_of(found.parent):
            return PlainTextResponse("there is no such file", status_code=404)
        # As a download: what a run wrote must not act in the name of this page.
        return FileResponse(found, filename=found.name)


def _list_runs(desk: Desk, finished: Sequence[Run], problems: Sequence[Problem]) -> None:
    ui.label(f"Every run below {desk.output}").classes("where")
    with ui.element("section").classes("card"):
        if finished:
            links = [desk.address(item.directory) for item in finished]
            ui.html(
                markup.table(results.listing(finished, desk.output), "Finished runs, the latest first", links),
                sanitize=False,
            )
        else:
            ui.label("No finished run yet.")
    others = [problem for problem in problems if problem.path != desk.output]
    if others:
        with ui.element("section").classes("card"):
            heading("Not finished", 2)
            named = [(desk.address(problem.path), _name(desk, problem.path), problem.message) for problem in others]
            ui.html(markup.links(named, long=True), sanitize=False)


def _name(desk: Desk, path: Path) -> str:
    return path.relative_to(desk.output).as_posix()
