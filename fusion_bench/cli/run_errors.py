"""One readable message for an error that a job meets after its configuration has been composed."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Mapping

from hydra.errors import HydraException, InstantiationException
from omegaconf.errors import OmegaConfBaseException

from fusion_bench.cli.errors import one_line
from fusion_bench.cli.suggest import did_you_mean, nearest
from fusion_bench.programs.orders import OrderError

USER_ERRORS = (ValueError, LookupError, TypeError, OSError, ImportError, HydraException, OmegaConfBaseException)


def explain_run(error: BaseException, choices: Mapping[str, object] | None = None) -> str | None:
    """The message of an error that a user can act on; None for what looks like a bug, which needs its traceback.

    Args:
        error: what the job raised.
        choices: the chosen option of each group, to name the file a part of the configuration comes from.
    """
    if isinstance(error, InstantiationException):
        return _explain_part(error, choices or {})
    if isinstance(error, OrderError) and error.__cause__ is not None:
        reason = explain_run(error.__cause__, choices)
        return None if reason is None else error.explained(reason)
    if isinstance(error, OmegaConfBaseException):
        key = getattr(error, "full_key", None)
        return f"{key}: {one_line(error)}" if key else one_line(error)
    return plain_message(error) if isinstance(error, USER_ERRORS) else None


def plain_message(error: BaseException) -> str:
    """The text of an error, with its type where the text alone says too little."""
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return f"{error.strerror}: {error.filename}"
    text = str(error.args[0]) if isinstance(error, KeyError) and len(error.args) == 1 else str(error)
    return text if " " in text.strip() else f"{type(error).__name__}: {text}"


def _explain_part(error: InstantiationException, choices: Mapping[str, object]) -> str | None:
    """Unwrap hydra's error about a ``_target_`` and name the part of the configuration it stands in."""
    text, cause = str(error), error.__cause__
    key = re.search(r"full_key: (\S+)", text)
    target = re.search(r"target '([^']+)'", text)
    part = key[1] if key else target[1] if target else ""
    if target and text.startswith("Error locating target"):
        file = _file_of(part, choices)
        return f"{part}: cannot import _target_ {target[1]!r}{f' of {file}' if file else ''}: {_why_missing(target[1])}"
    if cause is None:
        return f"{part}: {one_line(error)}" if part else one_line(error)
    if target and (unknown := re.search(r"unexpected keyword argument '(\w+)'", str(cause))):
        return f"{part}: {_unknown_argument(target[1], unknown[1])}"
    message = explain_run(cause, choices)
    return None if message is None else f"{part}: {message}"


def _file_of(part: str, choices: Mapping[str, object]) -> str | None:
    """The configuration file that ``part`` (a dotted key) comes from."""
    names = part.split(".")
    for end in range(len(names), 0, -1):
        group = "/".join(names[:end])
        if choices.get(group):
            return f"{group}/{choices[group]}.yaml"
    return None


def _unknown_argument(target: str, name: str) -> str:
    """The message about an argument that ``target`` does not take."""
    module, _, attribute = target.rpartition(".")
    parameters = inspect.signature(getattr(importlib.import_module(module), attribute)).parameters.values()
    valid = [parameter.name for parameter in parameters if parameter.kind is not parameter.VAR_KEYWORD]
    near = nearest(name, valid)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"{attribute} has no key {name!r}; {hint}It has {', '.join(valid) or 'none'}"


def _why_missing(target: str) -> str:
    """Which part of a dotted path does not exist, or what went wrong while importing it."""
    names = target.split(".")
    for end in range(len(names) - 1, 0, -1):
        path = ".".join(names[:end])
        try:
            module = importlib.import_module(path)
        except ModuleNotFoundError as error:
            if error.name and (path == error.name or path.startswith(f"{error.name}.")):
                continue
            return str(error)
        except ImportError as error:
            return str(error)
        inner = [found.name for found in pkgutil.iter_modules(getattr(module, "__path__", []))]
        public = [name for name in [*dir(module), *inner] if not name.startswith("_")]
        hint = did_you_mean(nearest(names[end], public))
        return f"{path} has no {names[end]!r}{hint}"
    return f"no module named {names[0]!r}"
