"""One Ray for all tests of a module, as starting it takes seconds."""

import os
import signal
from pathlib import Path

import pytest

from fusion_bench.functional.params import LazyParams


def start_ray_for_tests(cores: int = 3):
    """Start a Ray; skips the test where it is not installed."""
    ray = pytest.importorskip("ray")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    ray.init("local", num_cpus=cores, include_dashboard=False, log_to_driver=False)
    return ray


def deadly(params, name: str, mark: Path) -> LazyParams:
    """Tensors of which one, when it is read for the first time in another process, ends that process by SIGKILL."""
    parent = os.getpid()

    def read(asked):
        if asked == name and os.getpid() != parent and not mark.exists():
            mark.write_text(str(os.getpid()))
            os.kill(os.getpid(), signal.SIGKILL)
        return params[asked]

    return LazyParams(params, read, like=params)
