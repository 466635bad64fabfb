"""Several orders of a continual method from a configuration: a complete run directory for each, and a table of all."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, ListConfig, OmegaConf

from fusion_bench.programs.group import is_grouped, leading
from fusion_bench.programs.inputs import check_inputs
from fusion_bench.programs.log_dir import LOGGER_KEYS
from fusion_bench.programs.loggers import build_loggers
from fusion_bench.programs.merge import MergeJob, RunResult
from fusion_bench.programs.merge_orders import order_runs, run_orders
from fusion_bench.programs.order_checks import check_continual, choose_orders, open_orders
from fusion_bench.programs.order_runs import OrderFiles, OrderRuns
from fusion_bench.programs.orders import Order, OrderSettings
from fusion_bench.programs.parts import config_of, fill, hydra_overrides, prefetch_command, resume_command, typed
from fusion_bench.programs.provenance import record_times, recorded_session
from fusion_bench.programs.run_files import list_files, log_to_file, write_config_files
from fusion_bench.reporting.orders_report import OrdersReport
from fusion_bench.utils.executors import ThreadExecutor

if TYPE_CHECKING:
    from fusion_bench.programs.fusion import FabricModelFusionProgram, Parts

log = logging.getLogger(__name__)

_STEPS = ("fusion_bench.method.continual", "fusion_bench.callbacks.checkpoint")
_ONE_RUN = ("orders", "path.log_dir", "resume", "fabric.loggers.root_dir", "fabric.loggers.name")


def merge_orders(program: FabricModelFusionProgram, log_dir: Path) -> OrdersReport:
    """Run the program's method in every order that the configuration asks for; the results together.

    Raises:
        ValueError: if the configuration does not go with several orders.
        OrderError: when an order fails; finished ones are kept.
    """
    settings = OrderSettings.read(_plain(program.orders))
    _check(program, settings)
    parts = program.set_up(None)
    check_continual(parts.method)
    orders = choose_orders(settings, parts.modelpool.model_names, program.seed, log_dir if program.resume else None)
    files = ConfiguredFiles(program, hydra_overrides(), typed("fusion_bench", []) or sys.argv[:1])
    runs = _runs(parts, orders, log_dir, files)
    open_orders(runs)
    make_runs = partial(_runs_elsewhere, orders, log_dir, files)
    with leading(), _without_steps():
        result = run_orders(runs, settings, make_runs, f"go on with: {resume_command(log_dir)}")
    record_times(log_dir, result.profile.seconds, parts.fabric.device)
    log.info("metrics in %%, a row an order\n\n%s\n", result.report.table())
    if result.profile.seconds:
        log.info("time by phase, of the orders that were run now\n\n%s\n", result.profile.summary())
    log.info("files of this run: %s\n%s\n", log_dir, list_files(log_dir))
    return result.report


@dataclass(frozen=True)
class ConfiguredFiles(OrderFiles):
    """Makes the directory of an order that of a complete run: its configuration, log, loggers and reports."""

    program: FabricModelFusionProgram
    overrides: Sequence[str]
    command: Sequence[str]

    def report_path(self, directory: Path) -> Path | None:
        """Where the configuration puts the report."""
        template = self.program.report_save_path
        return fill(str(template), directory) if template else None

    @contextmanager
    def opened(self, directory: Path, order: Order) -> Iterator[Sequence[Any]]:
        """Loggers of the order; what its thread logs goes to its ``cli.log``."""
        config = order_config(config_of(self.program), directory, order)
        with log_to_file(directory / "cli.log", own_thread=True):
            overrides = order_overrides(self.overrides, directory, order)
            write_config_files(directory, config, overrides)
            with recorded_session(directory, [*self.command, *overrides]):
                yield build_loggers((config.get("fabric") or {}).get("loggers"), directory)

    def write(self, result: RunResult, job: MergeJob, directory: Path) -> None:
        """Write the merged model and the report where the configuration asks for them."""
        self.program.save(result, job.pool, directory)
        record_times(directory, result.profile.seconds, job.device)


def order_config(config: DictConfig, directory: Path, order: Order) -> DictConfig:
    """The configuration that runs one order alone, in its own directory."""
    changed: Any = OmegaConf.to_container(config, resolve=True)
    changed["orders"], changed["resume"] = None, False
    changed["method"]["order"] = list(order)
    changed["path"] = {**(changed.get("path") or {}), "log_dir": str(directory)}
    loggers = (changed.get("fabric") or {}).get("loggers") or {}
    loggers.update({key: None for key in LOGGER_KEYS if key in loggers})  # they would lead to another directory
    return OmegaConf.create(changed)  # type: ignore[no-any-return]


def order_overrides(overrides: Sequence[str], directory: Path, order: Order) -> list[str]:
    """The arguments of a command that runs one order alone."""
    kept = [
        item
        for item in overrides
        if not (key := item.lstrip("+").partition("=")[0]).startswith(("orders.", "fabric.loggers.version"))
        and key not in _ONE_RUN
    ]
    return [*kept, f"method.order=[{','.join(order)}]", f"path.log_dir={directory}"]


def _check(program: FabricModelFusionProgram, settings: OrderSettings) -> None:
    """Find what would make orders overwrite each other, or cannot be shared out.

    Raises:
        ValueError: naming the key.
    """
    for key in ("report_save_path", "merged_model_save_path"):
        template = getattr(program, key)
        if template and "{log_dir}" not in str(template):
            raise ValueError(
                f"{key}={template} is the same for all orders; write {{log_dir}} for the directory of an order: "
                f"{key}={{log_dir}}/{Path(str(template)).name}"
            )
    if settings.parallel > 1 and is_grouped(program.fabric):
        raise ValueError(
            f"orders.parallel={settings.parallel} needs fabric.devices=1; with several devices, orders run in turn "
            "and each is scored on all of them"
        )


def _runs(parts: Parts, orders: tuple[Order, ...], log_dir: Path, files: ConfiguredFiles) -> OrderRuns:
    job = MergeJob(
        pool=parts.modelpool,
        taskpool=parts.taskpool,
        individual=parts.individual,
        executor=parts.executor or ThreadExecutor(),
        device=parts.fabric.device,
        autocast=parts.fabric.autocast,
        fabric=parts.fabric,
        fingerprints=check_inputs(parts.method, parts.modelpool, parts.taskpool, prefetch_command()),
    )
    return order_runs(parts.method, job, orders, log_dir, files, resume=files.program.resume)


def _runs_elsewhere(orders: tuple[Order, ...], log_dir: Path, files: ConfiguredFiles) -> OrderRuns:
    """The same in a process of Ray, where everything is built anew."""
    return _runs(files.program.set_up(None, print_call=False), orders, log_dir, files)


def _plain(value: Any) -> Any:
    return OmegaConf.to_container(value, resolve=True) if isinstance(value, DictConfig | ListConfig) else value


@contextmanager
def _without_steps() -> Iterator[None]:
    """Keep the lines about each step of each order in its own log: they are not shown, and there is a display."""
    handlers = [handler for handler in logging.getLogger().handlers if not isinstance(handler, logging.FileHandler)]

    def shown(record: logging.LogRecord) -> bool:
        return record.name not in _STEPS or record.levelno > logging.INFO

    for handler in handlers:
        handler.addFilter(shown)
    try:
        yield
    finally:
        for handler in handlers:
            handler.removeFilter(shown)
