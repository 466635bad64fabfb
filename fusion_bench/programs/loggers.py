"""Lightning loggers that write into the log directory of the run, without directories of their own."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fusion_bench.programs.log_dir import LOGGER_KEYS
from fusion_bench.utils.configurable import build

METRICS_FILE = "metrics.csv"


def build_loggers(config: Mapping[str, Any] | None, log_dir: Path) -> list[Any]:
    """The loggers that ``fabric.loggers`` asks for; none where it has no ``_target_``.

    Args:
        config: ``fabric.loggers``. Its ``root_dir``, ``name`` and ``version`` have already chosen ``log_dir``.
        log_dir: the directory of the run.
    """
    if not config or not config.get("_target_"):
        return []
    return [_build_quietly(logger_arguments(config, log_dir), log_dir)]


def logger_arguments(config: Mapping[str, Any], log_dir: Path) -> dict[str, Any]:
    """The arguments of the logger's class that make it write straight into ``log_dir``."""
    target = str(config["_target_"])
    kind = target.rpartition(".")[2]
    arguments = {key: value for key, value in config.items() if key not in LOGGER_KEYS}
    run_name = config.get("name") or log_dir.name
    if kind in ("TensorBoardLogger", "CSVLogger"):
        root = "root_dir" if ".fabric." in target else "save_dir"
        return {**arguments, root: str(log_dir), "name": "", "version": ""}
    if kind == "WandbLogger":
        return {**arguments, "save_dir": str(log_dir), "name": run_name}
    if kind == "MLFlowLogger":
        return {**arguments, "save_dir": str(log_dir / "mlruns"), "run_name": run_name}
    return dict(config)


def _build_quietly(arguments: dict[str, Any], log_dir: Path) -> Any:
    """Build a logger; the CSV logger's rows of an interrupted run are kept beside the new ones."""
    logger = build(arguments)
    if type(logger).__name__ == "CSVLogger":
        _keep_earlier_rows(log_dir)
        with warnings.catch_warnings():  # it warns that the directory is not empty, and would delete the earlier rows
            warnings.simplefilter("ignore")
            _ = logger.experiment
    return logger


def _keep_earlier_rows(log_dir: Path) -> None:
    earlier = log_dir / METRICS_FILE
    if earlier.exists():
        number = len(list(log_dir.glob("metrics_*.csv")))
        earlier.rename(log_dir / f"metrics_{number}.csv")
