"""Class names and prompt templates of known tasks, read from the data files ``class_names/<task>.yaml``."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

_FOLDER = Path(__file__).parent / "class_names"


@dataclass(frozen=True)
class ClassNames:
    """Names of the classes in the order of the labels, and prompts with one ``{}`` for the name."""

    classnames: tuple[str, ...]
    templates: tuple[str, ...]


@cache
def known_tasks() -> list[str]:
    """The tasks whose class names are shipped, sorted; those of a suite as ``SUITE/TASK``."""
    return sorted(file.relative_to(_FOLDER).with_suffix("").as_posix() for file in _FOLDER.rglob("*.yaml"))


@cache
def class_names(task: str) -> ClassNames:
    """Class names and templates of a shipped task.

    Raises:
        KeyError: if no such task is shipped; names the nearest ones and says how to add one.
    """
    if task not in known_tasks():
        near = difflib.get_close_matches(task, known_tasks(), n=3)
        hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else f"; there are {', '.join(known_tasks())}."
        raise KeyError(
            f"no class names are known for the task {task!r}{hint} For a data set of your own, give them in its entry "
            "of the task pool's test_datasets, beside 'dataset': 'classnames' (a list in the order of the labels, or "
            "the name of a known task) and 'templates' (a list of prompts with '{}' for the class name); or describe "
            "it in a YAML file with those keys and 'path', and give that file as the entry"
        )
    content: Any = yaml.safe_load((_FOLDER / f"{task}.yaml").read_text(encoding="utf-8"))
    return ClassNames(tuple(content["classnames"]), tuple(content["templates"]))
