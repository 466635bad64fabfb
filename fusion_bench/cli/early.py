"""Errors before hydra starts, which composes every configuration twice and creates a directory."""

from __future__ import annotations

import copy

from hydra.core.hydra_config import HydraConfig
from hydra.errors import ConfigCompositionException
from hydra.types import RunMode
from omegaconf import open_dict

from fusion_bench.cli.checks import check_config
from fusion_bench.cli.request import Request

_OPTIONS = ("--config-dir", "-cd", "--config-name", "-cn", "--run", "-r")


def check_early(request: Request) -> None:
    """Compose and check the configuration of a single run; anything else is left to hydra.

    Raises:
        HydraException: if the overrides do not compose.
        ValueError: if the configuration cannot be right.
    """
    if any(flag.partition("=")[0] not in _OPTIONS for flag in request.flags):
        return
    try:
        config = request.compose(with_hydra=True)
    except ConfigCompositionException as error:
        if "Ambiguous value" in str(error) or "requires --multirun" in str(error):
            return  # right after all where the configuration asks for a sweep
        raise
    if config.hydra.mode == RunMode.MULTIRUN:
        return
    job = copy.deepcopy(config)
    with open_dict(job):
        del job["hydra"]
    HydraConfig.instance().set_config(config)  # what ${hydra:...} looks into
    try:
        check_config(job)
    finally:
        HydraConfig.instance().cfg = None
