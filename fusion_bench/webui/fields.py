"""The fields of the form: choices and options, each with its documentation, its default and what is wrong with it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from nicegui import ui

from fusion_bench.webui.check import Form
from fusion_bench.webui.markup import prose
from fusion_bench.webui.tree import Group, Option, Section


@dataclass
class Field:
    """A control and the line below it that says what is wrong."""

    control: Any
    problem: ui.label

    def complain(self, message: str | None) -> None:
        """Show or hide an error; a control that stays as it is is left alone, as somebody may be typing in it."""
        if (message or "") == self.problem.text:
            return
        self.control.props["error"] = bool(message)
        self.control.update()
        self.problem.set_text(message or "")
        self.problem.set_visibility(bool(message))


@dataclass
class Fields:
    """Builds the fields of a form and keeps it up to date.

    Args:
        form: what is filled in.
        describe: a sentence about an option of a group.
        on_choice: called when another option of a group was chosen.
        on_value: called when something was typed.
    """

    form: Form
    describe: Callable[[str, str], str]
    on_choice: Callable[[], Awaitable[None]]
    on_value: Callable[[], Awaitable[None]]
    built: dict[str, Field] = field(default_factory=dict)

    def complain(self, key: str | None, message: str | None) -> None:
        """Show ``message`` at the field of ``key`` and at no other."""
        for name, entry in self.built.items():
            entry.complain(message if name == key else None)

    def choice(self, group: Group) -> None:
        """The field of a group."""
        chosen = self.form.choices.get(group.key, group.default)

        def choose(value: str) -> Awaitable[None]:
            if value == group.default:
                self.form.choices.pop(group.key, None)
            else:
                self.form.choices[group.key] = value
            return self.on_choice()

        with ui.element("div").classes("choice"):
            control = ui.select(
                list(group.options), value=chosen, with_input=True, on_change=lambda event: choose(event.value)
            ).props("outlined dense options-dense hide-bottom-space")
            control.props["aria-label"] = group.key
            problem = _problem_line()
            ui.html(prose(self.describe(group.key, chosen)), tag="p", sanitize=False).classes("about")
        self.built[group.key] = Field(control, problem)

    def section(self, section: Section, *, opened: bool = False) -> None:
        """The options of a section, and the sections inside it, which are filled when they are opened."""
        for option in section.options:
            self._option(option)
        for inner in section.sections:
            self.folded(inner, opened=opened)

    def folded(self, section: Section, *, opened: bool = False) -> None:
        """A section that can be opened; it is open where something in it was typed."""
        count = len(list(section.walk()))
        if not count:
            return
        opened = opened or any(self.form.values.get(option.key) for option in section.walk())
        expansion = ui.expansion(section.title, caption=f"{count} option{'s' if count > 1 else ''}", value=opened)
        expansion.classes("folded")

        def fill() -> None:
            if expansion.value and not expansion.default_slot.children:
                with expansion:
                    if section.documentation:
                        ui.html(prose(section.documentation), tag="p", sanitize=False).classes("about")
                    self.section(section)

        expansion.on_value_change(fill)
        fill()

    def _option(self, option: Option) -> None:
        with ui.element("div").classes("option"):
            with ui.element("div").classes("told"):
                ui.html(prose(f"`{option.name}`"), tag="div", sanitize=False).classes("name").tooltip(option.key)
                if option.documentation:
                    ui.html(prose(option.documentation), tag="p", sanitize=False)
            with ui.element("div").classes("entry"):
                control = self._switch(option) if option.is_switch else self._input(option)
                control.props["aria-label"] = option.key
                ui.html(prose(f"default: `{option.default_text}`"), tag="div", sanitize=False).classes("default")
                problem = _problem_line()
        self.built[option.key] = Field(control, problem)

    def _input(self, option: Option) -> ui.input:
        control = ui.input(
            value=self.form.values.get(option.key, ""), on_change=lambda event: self._set(option, event.value or "")
        )
        control.props("outlined dense clearable debounce=200 no-error-icon hide-bottom-space")
        control.props("autocomplete=off spellcheck=false")
        control.props["placeholder"] = f"default: {option.default_text}"
        return control

    def _switch(self, option: Option) -> ui.switch:
        value = self.form.values.get(option.key, str(option.default).lower()) == "true"
        return ui.switch(value=value, on_change=lambda event: self._set(option, str(event.value).lower()))

    def _set(self, option: Option, text: str) -> Awaitable[None]:
        if text == "" or (option.is_switch and text == str(option.default).lower()):
            self.form.values.pop(option.key, None)
        else:
            self.form.values[option.key] = text
        return self.on_value()


def _problem_line() -> ui.label:
    line = ui.label().classes("problem").props("role=alert")
    line.set_visibility(False)
    return line


def groups_of(groups: tuple[Group, ...]) -> Mapping[str, list[Group]]:
    """The groups by the part of the configuration they belong to."""
    found: dict[str, list[Group]] = {}
    for group in groups:
        found.setdefault(group.key.partition("/")[0], []).append(group)
    return found
