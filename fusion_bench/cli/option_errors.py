"""One readable message for a configuration file that does not exist: a misspelt option, or a broken reference."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from fusion_bench.cli.config_files import ConfigFiles
from fusion_bench.cli.suggest import did_you_mean, nearest, nearest_option

if TYPE_CHECKING:
    from hydra.errors import MissingConfigException

    from fusion_bench.cli.request import Request

_REQUIRED = ("method", "modelpool")


def no_such_file(error: MissingConfigException, request: Request) -> str:
    """Name the option that was asked for, or the file that refers to a missing one, and what comes nearest."""
    files = ConfigFiles(request.search_path)
    missing = error.missing_cfg_file or ""
    if missing == request.config_name:
        hint = did_you_mean(nearest(missing, files.primary), files.primary, what="there are")
        return f"no configuration {missing!r} for --config-name{hint}"
    if "/" not in missing:
        return " ".join(str(error).split())
    group = _asked_for(request).get(missing)
    reference = re.match(r"In '([^']+)'", str(error))
    if group is None and reference and reference[1] != request.config_name:
        hint = did_you_mean(nearest_option(missing, files.names))
        return f"{reference[1]}.yaml names {missing!r}, which does not exist{hint}"
    return _no_such_option(group or missing.partition("/")[0], missing, files)


def null_option(request: Request) -> str:
    """The message about ``group=null``; without a method or a model pool there is nothing to run."""
    files = ConfigFiles(request.search_path)
    key = next((key for key in files.groups if f"{key}=null" in request.overrides), "GROUP")
    if key in _REQUIRED:
        return f"{key}=null names no option{did_you_mean([], files.options(key), what='options')}"
    return f"{key}=null names no option; write ~{key} to leave this part out"


def _no_such_option(group: str, missing: str, files: ConfigFiles) -> str:
    option, options = missing.removeprefix(f"{group}/"), files.options(group)
    if missing in files.groups:
        inner = [name for name in options if name.startswith(f"{option}/")]
        return f"{group}={option} is a folder of options{did_you_mean([], inner, what='choose one of')}"
    hint = did_you_mean(nearest_option(option, options), options, what=f"options of {group}")
    return f"no option {option!r} in the group {group!r}{hint}"


def _asked_for(request: Request) -> dict[str, str]:
    """Files that the overrides choose, each with its group; every value of a sweep counts."""
    choices = [item.lstrip("+").partition("=") for item in request.overrides]
    return {f"{group}/{option}": group for group, _, options in choices for option in options.split(",")}
