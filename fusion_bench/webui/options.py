"""The options of a run as a tree with their defaults and documentation, from the configuration files alone."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict

from fusion_bench.cli.config_files import ConfigFiles
from fusion_bench.cli.request import Request
from fusion_bench.webui.comments import comments, summary
from fusion_bench.webui.docstrings import Docstrings
from fusion_bench.webui.tree import Group, Option, Section, Tree

# What the page decides itself: where a run lives, and that it runs.
OWNED = (
    *("path.root_dir", "path.output_dir", "path.log_dir", "dry_run", "resume"),
    *("fabric.loggers.root_dir", "fabric.loggers.name", "fabric.loggers.version", "fabric.loggers.save_dir"),
)
_KEY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*")  # names with other characters have no key on the command line
_OF_HYDRA = ("_target_", "_recursive_", "_convert_", "_partial_", "_args_")
TITLES = {
    "method": "Method",
    "modelpool": "Models",
    "taskpool": "Tasks",
    "": "Run",
    "executor": "Executor",
    "fabric": "Devices and precision",
    "fabric/loggers": "Logger",
    "path": "Directories",
}


class OptionTree:
    """Makes trees for the choices a user makes."""

    def __init__(self, config_dir: str | None = None) -> None:
        self.config_dir = config_dir
        self._docstrings = Docstrings()
        self.files = ConfigFiles(self.request([]).search_path)

    def request(self, overrides: list[str]) -> Request:
        """The command line with these overrides, which are in the order of the tree."""
        flags = [] if self.config_dir is None else ["--config-dir", self.config_dir]
        return Request.from_argv([*flags, *overrides])

    def build(self, choices: Mapping[str, str]) -> Tree:
        """The tree under ``choices``, group to option; groups not named there have their default.

        Raises:
            HydraException: if an option does not compose.
        """
        config = self._compose(choices)
        chosen = config.hydra.runtime.choices
        groups = self._groups(self._default_choices)
        with open_dict(config):
            del config["hydra"]
        return Tree(groups, tuple(self._sections(config, chosen)), dict(targets(config)))

    def describe(self, group: str, option: str) -> str:
        """One sentence about an option of a group."""
        name = f"{group}/{option}"
        found = re.search(r"^_target_:\s*(\S+)", self.files.read(name), re.MULTILINE)
        return summary(self.files, name) or (self._docstrings.of(found[1]).summary if found else "")

    @cached_property
    def _default_choices(self) -> dict[str, str]:
        return dict(self._compose({}).hydra.runtime.choices)

    def _compose(self, choices: Mapping[str, str]) -> DictConfig:
        return self.request([f"{group}={option}" for group, option in choices.items()]).compose(with_hydra=True)

    def _groups(self, defaults: Mapping[str, str]) -> tuple[Group, ...]:
        """The groups in which there is something to choose, in the order of :data:`TITLES`, then others."""
        known = [group for group in defaults if group.partition("/")[0] != "hydra"]
        ordered = [group for group in TITLES if group in known] + [group for group in known if group not in TITLES]
        options = {group: self.files.options(group) for group in ordered}
        return tuple(
            Group(group, TITLES.get(group, group), defaults[group], tuple(_own(found, group, ordered)))
            for group, found in options.items()
            if len(_own(found, group, ordered)) > 1
        )

    def _sections(self, config: DictConfig, choices: Mapping[str, str]) -> Iterator[Section]:
        parts = [key for key in TITLES if key in config and OmegaConf.is_dict(config[key])]
        parts += [str(key) for key in config if OmegaConf.is_dict(config[key]) and key not in TITLES]
        for key in parts[:3]:
            yield self._part(key, config, choices)
        yield self._top(config, parts)
        for key in parts[3:]:
            yield self._part(key, config, choices)

    def _top(self, config: DictConfig, parts: list[str]) -> Section:
        """The keys that stand at the top."""
        raw: Any = OmegaConf.to_container(config, resolve=False)
        told = self._docstrings.of(str(raw.get("_target_"))).arguments
        told = {**told, **comments(self.files, self.request([]).config_name)}
        return _section("", TITLES[""], {key: raw[key] for key in raw if key not in parts}, told, "")

    def _part(self, key: str, config: DictConfig, choices: Mapping[str, str]) -> Section:
        raw: Any = OmegaConf.to_container(config[key], resolve=False)
        told = self._told(key, raw, choices)
        return _section(key, TITLES.get(key, key), raw, told, self.describe(key, str(choices.get(key))))

    def _told(self, key: str, raw: Any, choices: Mapping[str, str]) -> dict[str, str]:
        """Documentation by key below ``key``: the docstrings first, then the comments of the file."""
        told = comments(self.files, f"{key}/{choices.get(key)}")
        told |= self._docstrings.of(str(raw.get("_target_"))).arguments
        for group, option in choices.items():
            if group.startswith(f"{key}/"):
                inner = group.removeprefix(f"{key}/")
                told |= {f"{inner}.{name}": text for name, text in comments(self.files, f"{group}/{option}").items()}
        for name, value in raw.items():
            if isinstance(value, Mapping) and "_target_" in value:
                inner_doc = self._docstrings.of(str(value["_target_"]))
                told |= {f"{name}.{argument}": text for argument, text in inner_doc.arguments.items()}
        return told


def targets(config: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Every ``_target_`` below a configuration with the key it stands at, values computed where they can be."""
    plain: Any = OmegaConf.to_container(config, resolve=False) if OmegaConf.is_config(config) else config
    entries = plain.items() if isinstance(plain, Mapping) else enumerate(plain) if isinstance(plain, list) else ()
    for key, value in entries:
        where = f"{prefix}{key}"
        if key == "_target_":
            yield where, str(value)
        yield from targets(value, f"{where}.")


def _own(options: list[str], group: str, groups: list[str]) -> list[str]:
    """The options of a group without those of groups inside it that are chosen for themselves."""
    inner = [f"{other.removeprefix(f'{group}/')}/" for other in groups if other.startswith(f"{group}/")]
    return [option for option in options if not option.startswith(tuple(inner))]


def _section(key: str, title: str, raw: Mapping[str, Any], told: Mapping[str, str], text: str) -> Section:
    prefix = f"{key}." if key else ""
    options, sections = [], []
    for name, value in raw.items():
        where = f"{prefix}{name}"
        if str(name) in _OF_HYDRA or where in OWNED:
            continue
        if isinstance(value, Mapping) and value:
            start = f"{name}."
            inner = {item.removeprefix(start): words for item, words in told.items() if item.startswith(start)}
            sections.append(_section(where, str(name), value, inner, told.get(str(name), "")))
        elif _KEY.fullmatch(str(name)):
            options.append(Option(where, value, told.get(str(name), "")))
    return Section(key, title, text, tuple(options), tuple(sections))
