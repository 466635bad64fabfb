"""Runs on several devices: the first process merges, writes and asks the others to help with the evaluation."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

_RANK_VARIABLES = ("RANK", "LOCAL_RANK", "SLURM_PROCID")  # set by torchrun, by Lightning, by srun
_DDP = ("auto", "ddp", None)
_PATIENCE = timedelta(days=30)  # how long the others wait while the first process merges


def is_grouped(fabric: Mapping[str, Any] | None) -> bool:
    """Whether a configuration of Fabric asks for more than one process."""
    settings = fabric or {}
    devices = settings.get("devices", 1)
    if isinstance(devices, int):
        several = devices > 1 or (devices == -1 and _gpus() > 1)
    elif isinstance(devices, str) and devices.isdecimal():
        several = int(devices) > 1
    elif isinstance(devices, str):
        several = _gpus() > 1
    else:
        several = len(devices or ()) > 1
    return several or int(settings.get("num_nodes") or 1) > 1


def is_follower(fabric: Mapping[str, Any] | None) -> bool:
    """Whether this process is one of a group and not the first."""
    rank = next((int(os.environ[name]) for name in _RANK_VARIABLES if name in os.environ), 0)
    return rank > 0 and is_grouped(fabric)


def group_settings(fabric: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of Fabric in which plain data parallelism waits as long as merging takes.

    Raises:
        ValueError: for a strategy that splits models; only the images are shared out.
    """
    settings = dict(fabric)
    if is_grouped(fabric):
        if settings.get("strategy") not in _DDP:
            raise ValueError(
                f"fabric.strategy must be auto or ddp where fabric.devices is {settings.get('devices')}: the processes "
                f"share the images to score, each with the whole model; got {settings.get('strategy')!r}"
            )
        from lightning.fabric.strategies import DDPStrategy

        settings["strategy"] = DDPStrategy(timeout=_PATIENCE)
    return settings


@contextmanager
def leading() -> Iterator[None]:
    """The other processes of the group, if there is one, help to evaluate until the block ends."""
    from fusion_bench.taskpool import group

    try:
        yield
    finally:
        if group.is_grouped():
            group.dismiss()


def check_group(fabric: Mapping[str, Any] | None, taskpool: Any) -> None:
    """Check, before any process is started, that several of them are of use.

    Raises:
        ValueError: if the task pool cannot share its work.
    """
    if is_grouped(fabric) and not getattr(type(taskpool), "shares_work", False):
        raise ValueError(
            f"fabric.devices > 1 shares the evaluation of images among processes; a {type(taskpool).__name__} cannot "
            "share it: set fabric.devices=1"
        )


def _gpus() -> int:
    import torch

    return torch.cuda.device_count()
