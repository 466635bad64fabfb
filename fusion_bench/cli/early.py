"""Errors before hydra starts, which composes every configuration twice and creates a directory."""

from __future__ import annotations

import copy
from collections.abc import Sequence

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob
from hydra.errors import ConfigCompositionException
from hydra.types import RunMode
from omegaconf import open_dict

from fusion_bench.cli.checks import check_config
from fusion_bench.cli.request import Request

_SWEEP = ("--multirun", "-m")
_OPTIONS = ("--config-dir", "-cd", "--config-name", "-cn", "--run", "-r")


def check_early(request: Request) -> None:
    """Compose and check the configuration of a single run; compose that of the first run of a sweep.

    Anything else is left to hydra, which composes every configuration of a sweep three times.

    Raises:
        HydraException: if the overrides do not compose.
        ValueError: if the configuration cannot be right.
    """
    flags = [flag.partition("=")[0] for flag in request.flags]
    if any(flag not in (*_OPTIONS, *_SWEEP) for flag in flags):
        return
    sweeps = any(flag in _SWEEP for flag in flags)
    try:
        config = request.compose(_first_of_each(request.overrides) if sweeps else None, with_hydra=True)
    except ConfigCompositionException as error:
        if "Ambiguous value" in str(error) or "requires --multirun" in str(error):
            return  # right after all where the configuration asks for a sweep
        if sweeps and "You must specify" in str(error):
            return  # the parameters of the sweeper may
        raise
    if sweeps or config.hydra.mode == RunMode.MULTIRUN:
        return
    job = copy.deepcopy(config)
    with open_dict(job):
        del job["hydra"]
    HydraConfig.instance().set_config(config)  # what ${hydra:...} looks into
    try:
        check_config(job)
    finally:
        HydraConfig.instance().cfg = None


def _first_of_each(overrides: Sequence[str]) -> list[str]:
    """The overrides of the first job of a sweep.

    Raises:
        OverrideParseException: if one cannot be read.
    """
    parsed = OverridesParser.create().parse_overrides(list(overrides))
    return [
        f"{override.get_key_element()}={next(iter(override.sweep_string_iterator()))}"
        if override.is_sweep_override() and not isinstance(override.value(), Glob)
        else str(override.input_line)
        for override in parsed
    ]
