"""One Ray for all tests of a module, as starting it takes seconds."""

import os
import signal
from pathlib import Path

import pytest
from torch import Tensor

from fusion_bench.functional.params import LazyParams


def start_ray_for_tests(cores: int = 3):
    """Start a Ray; skips the test where it is not installed."""
    ray = pytest.importorskip("ray")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    ray.init("local", num_cpus=cores, include_dashboard=False, log_to_driver=False)
    return ray


class DeadlyParams(LazyParams):
    """Tensors of which one, when it is read for the first time in another process, ends that process by SIGKILL."""

    def __init__(self, params, name: str, mark: Path) -> None:
        parent = os.getpid()

        def read(asked: str) -> Tensor:
            if asked == name and os.getpid() != parent and not mark.exists():
                mark.write_text(str(os.getpid()))
                os.kill(os.getpid(), signal.SIGKILL)
            return params[asked]

        super().__init__(params, read, like=params)
