"""What a command line asks for, and the configuration it composes to, without starting a job."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from omegaconf import DictConfig

CONFIG_MODULE = "fusion_bench_config"
CONFIG_NAME = "fabric_model_fusion"
FLAGS = (
    "--cfg",
    "--config-dir",
    "--config-name",
    "--config-path",
    "--experimental-rerun",
    "--help",
    "--hydra-help",
    "--info",
    "--multirun",
    "--package",
    "--resolve",
    "--run",
    "--shell-completion",
    "--version",
)
_WITH_VALUE = {
    "--config-dir": "config_dir",
    "-cd": "config_dir",
    "--config-name": "config_name",
    "-cn": "config_name",
    "--config-path": "config_path",
    "-cp": "config_path",
}
_WITH_CHOICE = ("--cfg", "-c", "--package", "-p", "--info", "-i", "--experimental-rerun")
_SEARCH_PATH = "hydra.searchpath="
# Tasks have names of the user's, so a new one is no slip that hydra should refuse; nor is a whole mapping of new names,
# nor a key of ``orders``, which has none at first and checks them itself.
_MAY_BE_NEW = re.compile(
    r"taskpool\.test_datasets\.[^.=]+=|orders\.[^.=]+="
    r"|(modelpool\.(models|\w+_datasets)|taskpool\.(test_datasets|outputs))=\{"
)


@dataclass(frozen=True)
class Request:
    """The parts of a command line that decide which configuration is composed."""

    config_name: str = CONFIG_NAME
    config_dir: str | None = None
    config_path: str | None = None
    overrides: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()  # all of them, overrides last: hydra's parser takes no flag between overrides

    @classmethod
    def from_argv(cls, arguments: Sequence[str]) -> Request:
        """Read the arguments after the name of the program; hydra's own parser judges whether they are valid."""
        values: dict[str, str] = {}
        overrides: list[str] = []
        others: list[str] = []
        remaining = list(arguments)
        while remaining:
            argument = remaining.pop(0)
            flag, has_value, value = argument.partition("=")
            if flag in _WITH_VALUE:
                values[_WITH_VALUE[flag]] = value if has_value else "".join(remaining[:1])
            if argument in _WITH_VALUE or (argument in _WITH_CHOICE and "=" not in "".join(remaining[:1])):
                others += [argument, *remaining[:1]]
                del remaining[:1]
            elif argument.startswith("-"):
                others.append(argument)
            else:
                overrides.append(f"++{argument}" if _MAY_BE_NEW.match(argument) else argument)
        if any(item.startswith("++orders.") for item in overrides):
            overrides = [_as_mapping(item) for item in overrides]
        return cls(
            config_name=values.get("config_name", CONFIG_NAME),
            config_dir=values.get("config_dir"),
            config_path=values.get("config_path"),
            overrides=tuple(overrides),
            flags=tuple(item for item in others if item.startswith("-")),
            arguments=(*others, *overrides),
        )

    def without(self, flag: str) -> Request:
        """The same request without a flag that hydra does not know."""
        return replace(
            self,
            flags=tuple(item for item in self.flags if item != flag),
            arguments=tuple(item for item in self.arguments if item != flag),
        )

    @property
    def search_path(self) -> list[str]:
        """Where configurations are looked for besides the package, as ``file://...`` or ``pkg://...``."""
        from pathlib import Path

        places = [place for override in self.overrides for place in _places(override)]
        if self.config_dir:
            places.append(f"file://{Path(self.config_dir).absolute()}")
        return places

    def compose(self, overrides: Sequence[str] | None = None, *, with_hydra: bool = False) -> DictConfig:
        """The configuration that this request gives, with ``overrides`` in place of its own where they are given.

        Raises:
            HydraException: if the overrides do not compose.
        """
        from hydra import compose, initialize_config_module

        chosen = [item for item in (self.overrides if overrides is None else overrides) if not _is_search_path(item)]
        if self.search_path:
            chosen.append(f"hydra.searchpath=[{','.join(self.search_path)}]")
        with initialize_config_module(CONFIG_MODULE, version_base="1.3"):
            return compose(self.config_name, overrides=chosen, return_hydra_config=with_hydra)


def _as_mapping(override: str) -> str:
    """``orders=[...]`` in the form that takes further keys, ``orders={explicit:[...]}``; anything else as it is."""
    key, _, value = override.partition("=")
    return f"++orders={{explicit:{value}}}" if key == "orders" and value.startswith("[") else override


def _is_search_path(override: str) -> bool:
    return override.lstrip("+").startswith(_SEARCH_PATH)


def _places(override: str) -> Iterator[str]:
    if _is_search_path(override):
        yield from re.findall(r"(?:file|pkg)://[^,\]\s'\"]+", override)
