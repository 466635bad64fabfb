"""The page on which a run is put together and started."""

from __future__ import annotations

import asyncio

from nicegui import ui

from fusion_bench.webui.check import Checked, blamed
from fusion_bench.webui.desk import Desk
from fusion_bench.webui.fields import Fields, groups_of
from fusion_bench.webui.frame import frame, heading
from fusion_bench.webui.tree import Tree

MAIN = ("method", "modelpool", "taskpool", "")  # parts that have a place of their own
_PAUSE = 0.2  # seconds without a change before the form is checked


class FormPage:
    """One view of the form; what is filled in is kept by the desk."""

    def __init__(self, desk: Desk, tree: Tree) -> None:
        self._desk = desk
        self._tree = tree
        self._changes = 0
        self._refused = True  # until the form has been checked
        self._fields = self._new_fields()

    def build(self) -> None:
        """Build the page."""
        with frame("New run", "New run"), ui.element("div").classes("columns"):
            self._form = ui.element("div").classes("form")
            with ui.element("aside").classes("command").props('aria-label="Command"'):
                self._build_command()
        self._fill()
        ui.timer(0.05, self._check, once=True)
        ui.timer(1.0, self._show_run)

    def _new_fields(self) -> Fields:
        return Fields(self._desk.form, self._desk.options.describe, self._rebuild, self._check)

    def _build_command(self) -> None:
        heading("Command", 2)
        self._command = ui.label().classes("code").props("tabindex=0 data-command")
        self._verdict = ui.label("checking …").classes("verdict").props("role=status")
        with ui.element("div").classes("actions"):
            self._run = ui.button("Run", icon="play_arrow", on_click=self._start).props("unelevated no-caps")
            ui.button("Copy", icon="content_copy", on_click=self._copy).props("flat no-caps")
            ui.button("Reset", icon="restart_alt", on_click=self._reset).props("flat no-caps")
        self._going_on = ui.link("", "/").classes("going-on")

    def _fill(self) -> None:
        """The fields of the form, from the tree."""
        self._form.clear()
        self._fields = self._new_fields()
        groups = groups_of(self._tree.groups)
        sections = {section.key: section for section in self._tree.sections}
        with self._form:
            for key in [key for key in MAIN if key in sections]:
                with ui.element("section").classes("card"):
                    heading(sections[key].title, 2)
                    for group in groups.get(key, []):
                        self._fields.choice(group)
                    if key in ("method", ""):
                        self._fields.section(sections[key])
                    else:
                        with ui.expansion("Options").classes("folded"):
                            self._fields.section(sections[key])
            with ui.element("section").classes("card"):
                heading("Machine", 2)
                for key in [key for key in sections if key not in MAIN]:
                    for group in groups.get(key, []):
                        ui.label(group.title).classes("label")
                        self._fields.choice(group)
                    self._fields.folded(sections[key])

    async def _rebuild(self) -> None:
        """Another option of a group has other options below it."""
        self._changes += 1
        self._tree = await asyncio.to_thread(self._desk.tree)
        self._fill()
        await self._check()

    async def _check(self) -> None:
        """Check the form once it has not changed for a moment."""
        self._changes += 1
        change = self._changes
        await asyncio.sleep(_PAUSE)
        if change == self._changes:
            checked = await asyncio.to_thread(self._desk.check, self._tree)
            if change == self._changes:
                self._show(checked)

    def _show(self, checked: Checked) -> None:
        self._command.set_text(checked.command)
        problem, key = None, None
        if checked.problem is not None:
            problem, key = checked.problem.message, checked.problem.key
        elif (job := self._desk.failed_run_of(checked)) is not None:
            problem = job.error or "the last run failed"
            key = blamed(problem, self._fields.built)
        self._fields.complain(key, problem)
        self._verdict.set_text("ready to run" if problem is None else problem)
        self._verdict.classes(replace="verdict good" if problem is None else "verdict bad")
        self._refused = checked.problem is not None
        self._show_run()

    def _show_run(self) -> None:
        """One run at a time: while one goes on, no other is started."""
        job = self._desk.runner.job
        going_on = job is not None and job.is_running
        self._run.set_enabled(not going_on and not self._refused)
        self._going_on.set_visibility(going_on)
        if job is not None and going_on:
            self._going_on.set_text("A run is going on: look at it")
            self._going_on.props["href"] = self._desk.address(job.log_dir)

    async def _start(self) -> None:
        self._run.set_enabled(False)
        checked = await asyncio.to_thread(self._desk.check, self._tree)
        if checked.problem is not None:
            self._show(checked)
            return
        try:
            job = self._desk.runner.start(checked.arguments, checked.log_dir)
        except RuntimeError as error:
            ui.notify(str(error), type="warning")
            return
        ui.navigate.to(self._desk.address(job.log_dir))

    def _copy(self) -> None:
        ui.clipboard.write(self._command.text)
        ui.notify("copied")

    async def _reset(self) -> None:
        self._desk.form.choices.clear()
        self._desk.form.values.clear()
        await self._rebuild()
