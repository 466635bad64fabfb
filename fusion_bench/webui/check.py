"""A filled-in form as a command: checked by composing its configuration, before anything is started."""

from __future__ import annotations

import re
import shlex
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from fusion_bench.cli.early import check_early
from fusion_bench.cli.errors import explain
from fusion_bench.cli.request import Request
from fusion_bench.webui.options import OptionTree, targets
from fusion_bench.webui.tree import Tree
from fusion_bench.webui.values import argument

_COMPOSING = threading.Lock()  # hydra keeps what it composes in one place for the whole process


@dataclass
class Form:
    """What a user chose and typed; what is not named has its default."""

    choices: dict[str, str] = field(default_factory=dict)  # group to option
    values: dict[str, str] = field(default_factory=dict)  # key to what was typed


@dataclass(frozen=True)
class Problem:
    """What is wrong with a form, in the words of the command line, and the key it is about, if that is known."""

    message: str
    key: str | None = None


@dataclass(frozen=True)
class Checked:
    """The arguments of a command, the directory its run will have, and what is wrong with them."""

    arguments: tuple[str, ...]
    log_dir: Path
    problem: Problem | None = None

    @property
    def command(self) -> str:
        """The command as one would type it into a shell."""
        return shlex.join(["fusion_bench", *self.arguments])


class Checker:
    """Checks forms against the configuration files."""

    def __init__(self, options: OptionTree) -> None:
        self._options = options

    def tree(self, choices: Mapping[str, str]) -> Tree:
        """The options there are under ``choices``.

        Raises:
            HydraException: if an option does not compose.
        """
        with _COMPOSING:
            return self._options.build(choices)

    def check(self, form: Form, tree: Tree, log_dir: Path) -> Checked:
        """The command for ``form`` in the directory ``log_dir``; keys that are not in ``tree`` are left out."""
        parts: dict[str, str] = {}
        for group in tree.groups:
            chosen = form.choices.get(group.key, group.default)
            if chosen != group.default or group.key == "method":
                parts[group.key] = f"{group.key}={chosen}"
        typed = {option.key: form.values[option.key] for option in tree.walk() if form.values.get(option.key, "")}
        for key, text in typed.items():
            try:
                parts[key] = argument(key, text)
            except (HydraException, ValueError) as error:
                message = explain(error, self._options.request([])) or str(error)
                return Checked((*self._flags(), *parts.values()), log_dir, Problem(message, key))
        arguments = (*self._flags(), *parts.values(), argument("path.log_dir", str(log_dir)))
        with _COMPOSING:
            refusal = _problem(arguments, tree)
            if refusal is not None:
                culprit = blamed(refusal, parts) or self._culprit(parts)
                return Checked(arguments, log_dir, Problem(refusal, culprit))
        return Checked(arguments, log_dir)

    def _culprit(self, parts: Mapping[str, str]) -> str | None:
        """The choice or value without which the others are right."""
        for key in parts:
            others = [part for name, part in parts.items() if name != key]
            if _refusal([*self._flags(), *others]) is None:
                return key
        return None

    def _flags(self) -> tuple[str, ...]:
        return () if self._options.config_dir is None else ("--config-dir", self._options.config_dir)


def blamed(message: str, keys: Iterable[str]) -> str | None:
    """The key that an error is about: named in full, or as ``part: name ...``; None where none of ``keys`` is."""
    found = [key for key in keys if re.search(rf"(?<![\w./]){re.escape(key)}(?![\w/=-]|\.\w)", message)]
    part, _, rest = message.partition(": ")
    inner = [key for key in keys if key.startswith(f"{part}.") and re.match(rf"{re.escape(_leaf(key))}\b", rest)]
    around = [key for key in keys if message.startswith(f"{key}.")]
    return max([*found, *inner, *around], key=len, default=None)


def _leaf(key: str) -> str:
    return key.rpartition(".")[2]


def _problem(arguments: Sequence[str], tree: Tree) -> str | None:
    """What is wrong with these arguments, or that they say what is to be called."""
    refusal = _refusal(arguments)
    if refusal is not None:
        return refusal
    if not any("{" in argument for argument in arguments):
        return None  # a mapping, or a reference to one, is written with a brace
    foreign = _foreign_target(Request.from_argv(arguments).compose(), tree)
    if foreign is None:
        return None
    return f"{foreign}: what is called is chosen by a configuration file, not typed here; use --config-dir"


def _refusal(arguments: Sequence[str]) -> str | None:
    """What the command line says to these arguments; None if it would run them."""
    request = Request.from_argv(arguments)
    try:
        check_early(request)
    except (HydraException, OmegaConfBaseException, ValueError) as error:
        return explain(error, request) or str(error)
    return None


def _foreign_target(config: DictConfig, tree: Tree) -> str | None:
    """The key of a ``_target_`` that none of the chosen files has there."""
    with open_dict(config):
        config.path.log_dir = None  # the time in it is not known here
    found = targets(OmegaConf.to_container(config, resolve=True))
    return next((key for key, target in found if tree.targets.get(key) != target), None)
