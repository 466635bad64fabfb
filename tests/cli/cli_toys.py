"""Programs and methods that the tests of the command line name in a ``_target_``; importing them is cheap."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig

from fusion_bench.programs.log_dir import resolve_log_dir
from fusion_bench.utils.configurable import build

VALID = ("modelpool=toys/two", "method=toys/toy", "taskpool=toys/two", "print_config=false")


@dataclass(kw_only=True)
class ToyMethod:
    """A method with a range to check."""

    shuffle_order: bool = True
    order: Any = None
    alpha: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.alpha <= 1:
            raise ValueError(f"alpha must be in [0, 1], got {self.alpha}")


@dataclass(kw_only=True)
class ToyTaskPool:
    """Tasks by name, and a choice of them."""

    test_datasets: Any
    tasks: Any = None


class RecordingProgram:
    """Builds its method, and leaves a file with the number of its job in the log directory."""

    def __init__(self, **config: Any) -> None:
        self.config = config

    def run(self) -> None:
        build(self.config["method"])
        log_dir = resolve_log_dir(self.config)
        with (log_dir / "job.txt").open("x", encoding="utf-8") as file:
            file.write(str(HydraConfig.get().job.get("num", "single")))


class BuggyProgram:
    """Fails in a way that no user can be blamed for."""

    def __init__(self, **config: Any) -> None: ...

    def run(self) -> None:
        raise AssertionError("a bug")


class MissingFileProgram:
    """Reads a file that is not there."""

    def __init__(self, **config: Any) -> None: ...

    def run(self) -> None:
        Path("missing.json").read_text(encoding="utf-8")
