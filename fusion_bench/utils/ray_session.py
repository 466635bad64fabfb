"""A Ray to work on: the one that runs in this process, a running cluster, or one started on this machine."""

from __future__ import annotations

import importlib
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

_CONNECT_SECONDS = 4
_PROBE_SECONDS = 15
_CORES_SECONDS = 10
# Ray itself tries for minutes to reach an address where nobody answers, so a process that can be ended tries first.
_PROBE = "import ray, sys; ray.init(address=sys.argv[1], log_to_driver=False); ray.shutdown()"


def start_ray(actors: int, address: str | None = None) -> bool:
    """Start Ray on this machine with room for some actors, or connect to a cluster, unless this process has a Ray.

    Args:
        actors: how many single-core actors a Ray that is started here has to have room for.
        address: ``host:port`` of a running cluster, or ``auto`` for the one of this machine; None starts one.

    Returns:
        Whether it was started or connected to here.

    Raises:
        ImportError: if Ray is not installed.
        ConnectionError: if no cluster answers at ``address``, within half a minute.
    """
    ray = import_ray()
    if ray.is_initialized():
        return False
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # a local run sends nothing anywhere
    if address is not None:
        _show_token()
        _require_cluster(address)
        ray.init(address=address, log_to_driver=False)
    else:
        # An address in the environment is not a request for this run.
        ray.init("local", num_cpus=max(actors, os.cpu_count() or 1), include_dashboard=False, log_to_driver=False)
    return True


def reserve_cores(actors: int) -> Any:
    """A core for each of some actors, spread over the machines, as a Ray placement group with a bundle an actor.

    Raises:
        ValueError: if Ray has fewer cores.
        TimeoutError: if others use so many of them that too few are free.
    """
    ray = import_ray()
    from ray.util import placement_group

    cores = int(ray.cluster_resources().get("CPU", 0))
    advice = "Take fewer actors, or a larger cluster"
    if cores < actors:
        raise ValueError(f"{actors} Ray actors need a core each; Ray has {cores} in all. {advice}")
    reserved = placement_group([{"CPU": 1}] * actors, strategy="SPREAD")
    if not reserved.wait(_CORES_SECONDS):
        free = ray.available_resources().get("CPU", 0)
        release_cores(reserved)
        raise TimeoutError(
            f"{actors} Ray actors need a core each; for {_CORES_SECONDS} seconds only {free:g} of {cores} were free. "
            f"{advice}, or wait until others have finished"
        )
    return reserved


def release_cores(reserved: Any) -> None:
    """Give back what :func:`reserve_cores` returned."""
    from ray.util import remove_placement_group

    remove_placement_group(reserved)


def import_ray() -> Any:
    """The Ray package.

    Raises:
        ImportError: with what to install, if it is missing.
    """
    try:
        import ray
    except ImportError as error:
        raise ImportError(
            "num_ray_actors > 0 needs Ray: pip install 'fusion_bench[ray]', or set num_ray_actors=0"
        ) from error
    return ray


def _show_token() -> None:
    """Have Ray show the token of this machine, if there is one and nobody has said whether it should.

    A cluster that is started where there is a token asks for it; a process that connects shows it only when told to.
    """
    given = any(os.environ.get(name) for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"))
    if "RAY_AUTH_MODE" in os.environ or not (given or (Path.home() / ".ray" / "auth_token").is_file()):
        return
    os.environ["RAY_AUTH_MODE"] = "token"
    config = getattr(importlib.import_module("ray._raylet"), "Config", None)
    if config is not None:  # not in every release of Ray
        config.initialize("")  # it was read when Ray was imported


def _require_cluster(address: str) -> None:
    """Fail within half a minute where nobody answers at ``address``, or not as Ray does."""
    failure = f"no Ray cluster answers at ray_address={address!r}"
    advice = "Start one with 'ray start --head', or correct or leave out ray_address"
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdecimal():
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_SECONDS).close()
        except OSError as error:
            raise ConnectionError(f"{failure}: {error}. {advice}") from error
    try:
        probe = subprocess.run(
            [sys.executable, "-c", _PROBE, address], timeout=_PROBE_SECONDS, capture_output=True, text=True, check=False
        )
    except subprocess.TimeoutExpired:
        raise ConnectionError(f"{failure} within {_PROBE_SECONDS} seconds. {advice}") from None
    if probe.returncode:
        reason = probe.stderr.strip().splitlines()[-1:] or ["no reason given"]
        raise ConnectionError(f"{failure}: {reason[0]}. {advice}")
