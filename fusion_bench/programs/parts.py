"""What programs have in common: building the parts of a configuration, and naming files of the run."""

from __future__ import annotations

import logging
import shlex
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf

from fusion_bench.programs.group import group_settings
from fusion_bench.programs.log_dir import LOGGER_KEYS, resolve_log_dir
from fusion_bench.programs.loggers import build_loggers
from fusion_bench.programs.provenance import recorded_session
from fusion_bench.programs.run_files import log_to_file, refuse_overwriting, write_config_files
from fusion_bench.utils.configurable import build
from fusion_bench.utils.files import remove_partial

log = logging.getLogger(__name__)

_OF_THE_DIRECTORY = ("path.log_dir", "resume", *(f"fabric.loggers.{key}" for key in LOGGER_KEYS))


def config_of(program: Any) -> DictConfig:
    """The whole configuration of a program, whose fields are its top-level keys, as one tree."""
    cls = type(program)
    return OmegaConf.create({"_target_": f"{cls.__module__}.{cls.__qualname__}", **vars(program)})


@contextmanager
def run_directory(config: DictConfig, *, resume: bool) -> Iterator[Path]:
    """The log directory of a run, which holds its configuration from now on and collects its log in ``cli.log``.

    Raises:
        FileExistsError: if it holds a run and is not to be resumed.
    """
    log_dir = resolve_log_dir(config)
    if resume:
        remove_partial(log_dir)
    else:
        refuse_overwriting(log_dir)
    with log_to_file(log_dir / "cli.log"):
        write_config_files(log_dir, config, hydra_overrides())
        with recorded_session(log_dir, typed("fusion_bench", hydra_overrides()) or sys.argv):
            yield log_dir


def build_part(key: str, config: Any, *, print_call: bool = False) -> Any:
    """Build one part of the configuration; None where it is not configured."""
    if config is None:
        return None
    if print_call and isinstance(config, Mapping | DictConfig):
        log.info("%s = %s", key, format_call(config))
    return build(config)


def build_fabric(config: Any, log_dir: Path | None) -> Any:
    """Lightning Fabric with its loggers; one plain CPU or GPU device where none is configured.

    Args:
        config: the configuration of Fabric.
        log_dir: where loggers write; None for no loggers.
    """
    from lightning import Fabric

    config = OmegaConf.create(config or {"_target_": "lightning.Fabric", "devices": 1})
    settings = {str(key): value for key, value in config.items() if key not in ("_target_", "loggers")}
    loggers = build_loggers(config.get("loggers"), log_dir) if log_dir is not None else []
    fabric = Fabric(loggers=loggers, **group_settings(settings))
    fabric.launch()
    return fabric


def format_call(config: Any) -> str:
    """The Python call that a ``_target_`` configuration stands for, long arguments shortened."""
    arguments = ", ".join(f"{key}={_shorten(value)}" for key, value in config.items() if key != "_target_")
    return f"{config.get('_target_', 'dict')}({arguments})"


def fill(template: str, log_dir: Path) -> Path:
    """A path in which ``{log_dir}`` stands for the directory of the run."""
    return Path(template.replace("{log_dir}", str(log_dir)))


def hydra_overrides() -> list[str]:
    """The arguments of the command line; none outside of one."""
    from hydra.core.hydra_config import HydraConfig

    return list(HydraConfig.get().overrides.task) if HydraConfig.initialized() else []


def prefetch_command() -> str:
    """The command that downloads what the present run needs."""
    command = typed("fusion_bench_prefetch", hydra_overrides())
    return shlex.join(command or ["fusion_bench_prefetch", "modelpool=OPTION", "taskpool=OPTION"])


def resume_command(log_dir: Path) -> str:
    """The command that goes on with the present run, whose directory is ``log_dir``."""
    overrides = [item for item in hydra_overrides() if item.lstrip("+").partition("=")[0] not in _OF_THE_DIRECTORY]
    command = typed("fusion_bench", [*overrides, f"path.log_dir={log_dir}", "resume=true"])
    return shlex.join(command) if command else f"the same with resume=True and path.log_dir={log_dir}"


def typed(program: str, overrides: list[str]) -> list[str]:
    """``program`` with the flags of the present command line and some overrides; nothing outside of one."""
    from hydra.core.hydra_config import HydraConfig

    if not HydraConfig.initialized():
        return []
    config = HydraConfig.get()
    name = config.job.config_name
    flags = [] if name == "fabric_model_fusion" else ["--config-name", str(name)]
    for source in config.runtime.config_sources:
        flags += ["--config-dir", str(source.path)] if source.provider == "command-line" else []
    return [program, *flags, *overrides]


def _shorten(value: Any) -> str:
    plain = OmegaConf.to_container(value) if isinstance(value, DictConfig | ListConfig) else value
    text = repr(plain)
    return text if len(text) <= 200 else f"{text[:197]}…"
