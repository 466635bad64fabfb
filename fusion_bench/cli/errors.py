"""One readable message for a command line that does not compose to a configuration."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from hydra.errors import ConfigCompositionException, HydraException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from fusion_bench.cli.config_files import ConfigFiles
from fusion_bench.cli.option_errors import no_such_file, null_option
from fusion_bench.cli.suggest import did_you_mean, nearest, nearest_key

if TYPE_CHECKING:
    from fusion_bench.cli.request import Request


class ReportedError(Exception):
    """An error whose text is all a user has to read."""


def explain(error: Exception, request: Request) -> str | None:
    """What was wrong with the command line and what comes nearest to it; None if ``error`` is not about that."""
    if isinstance(error, OverrideParseException):
        return _bad_syntax(error)
    if isinstance(error, MissingConfigException):
        return no_such_file(error, request)
    if isinstance(error, ConfigCompositionException):
        return _bad_override(error, request)
    if isinstance(error, OmegaConfBaseException):
        return _bad_value(error, request)
    if "Config group override must be a string" in str(error):
        return null_option(request)
    if isinstance(error, ReportedError):
        return str(error)
    if isinstance(error, HydraException | ValueError):  # hydra refuses flags with ValueErrors
        return one_line(error)
    return None


def one_line(error: BaseException) -> str:
    """The message of an error of hydra or omegaconf, without the lines that repeat the key and the type."""
    lines = [line.strip() for line in str(error).splitlines()]
    kept = [line for line in lines if line and not line.startswith(("full_key:", "object_type=", "reference_type="))]
    return " ".join(kept) or type(error).__name__


def _bad_syntax(error: OverrideParseException) -> str:
    override = str(error.override)
    if "=" not in override:
        return f"cannot read the argument {override!r}; write key=value, or ~key to delete a key"
    reason = one_line(error).partition(" See https://")[0]
    return f"cannot read the value in {override!r}: {reason}; quote values that hold special characters: key='\"...\"'"


def _bad_override(error: ConfigCompositionException, request: Request) -> str:
    text, cause = str(error), error.__cause__
    if match := re.search(r"Could not override '([^']+)'", text):
        return unknown_key(match[1], request)
    if match := re.search(r"Could not delete\D*'([^']+)'.*does not exist", text, re.DOTALL):
        return unknown_key(match[1], request)
    if match := re.search(r"Ambiguous value for argument '(.+)'", text):
        key, _, value = match[1].partition("=")
        return f"{match[1]} has several values: add -m to run once per value, or write {key}=[{value}] for a list"
    if match := re.search(r"Sweep parameters '(.+)' requires --multirun", text):
        return f"{match[1]} is a sweep: add -m to run once per value"
    if match := re.search(r"Error merging override (.+)", text):
        return f"cannot set {match[1]}: {one_line(cause or error)}"
    if isinstance(cause, OmegaConfBaseException) and not text.strip():
        return _bad_value(cause, request)
    return one_line(error)


def _bad_value(error: OmegaConfBaseException, request: Request) -> str:
    """A value that cannot be computed, most often a misspelt ``${key}``."""
    match = re.search(r"Interpolation key '([^']+)' not found", str(error))
    if not match:
        return one_line(error)
    keys = list(_dotted(_without_values(request, ConfigFiles(request.search_path))))
    return f"no key {match[1]!r} for ${{{match[1]}}}{did_you_mean(nearest_key(match[1], keys))}"


def unknown_key(key: str, request: Request) -> str:
    """The message about a key or a group that the configuration does not have."""
    files = ConfigFiles(request.search_path)
    if "/" in key:
        groups = [group for group in files.groups if "/" in group]
        return f"no group {key!r}{did_you_mean(nearest(key, groups), groups, what='groups')}"
    config = _without_values(request, files)
    choices = config.pop("hydra").runtime.choices if "hydra" in config else {}
    keys = list(_dotted(config))
    near = nearest_key(key, [*keys, *(group for group in files.groups if "/" not in group)])
    top, _, rest = key.partition(".")
    choice = f"{top}={choices[top]}" if rest and choices.get(top) else None
    message = f"no key {key!r} " + (f"with {choice}" if choice else "in the configuration")
    elsewhere = files.options_with_key(top, rest) if choice else []
    if not near and elsewhere:
        return f"{message}; these options have it: {', '.join(f'{top}={option}' for option in elsewhere[:5])}"
    siblings = [name for name in keys if name.rpartition(".")[0] == key.rpartition(".")[0]]
    return message + did_you_mean(near, siblings, what="there are")


def _without_values(request: Request, files: ConfigFiles) -> DictConfig:
    """The configuration with the chosen options and every value at its default."""
    chosen = [item for item in request.overrides if item.partition("=")[0] in files.groups and "," not in item]
    for overrides in (chosen, []):
        try:
            config = request.compose(overrides, with_hydra=True)
        except HydraException:
            continue
        OmegaConf.set_struct(config, False)
        return config
    return DictConfig({})


def _dotted(config: DictConfig, prefix: str = "") -> Iterator[str]:
    """Every key as ``a.b.c``, inner nodes included."""
    for key, value in config.items_ex(resolve=False):
        name = f"{prefix}{key!s}"
        yield name
        if isinstance(value, DictConfig) and not value._is_none() and not value._is_missing():
            yield from _dotted(value, f"{name}.")
