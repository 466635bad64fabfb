"""The program behind the command line: from the whole configuration to a merged model and its report."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from fusion_bench.programs.group import check_group, is_follower, leading
from fusion_bench.programs.parts import build_fabric, build_part, config_of, fill, prefetch_command, run_directory
from fusion_bench.programs.provenance import record_times
from fusion_bench.programs.run_files import REPORT_FILE, list_files
from fusion_bench.report import RESERVED_NAMES
from fusion_bench.suites.shipped import local_file
from fusion_bench.utils.config_tree import format_config_tree
from fusion_bench.utils.files import read_json, write_json

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Parts:
    """What a configuration builds."""

    method: Any
    modelpool: Any
    taskpool: Any
    executor: Any
    individual: Mapping[str, float]
    fabric: Any


@dataclass(kw_only=True)
class FabricModelFusionProgram:
    """Merges ``modelpool`` with ``method``, scores the result on ``taskpool`` and writes the files of the run.

    The fields are the top-level keys of ``fabric_model_fusion.yaml``; nested ones are configurations, not objects.
    """

    method: Any
    modelpool: Any
    taskpool: Any = None
    fabric: Any = None
    executor: Any = None
    path: Any = field(default_factory=dict)
    seed: int | None = None
    orders: Any = None
    fast_dev_run: bool = False
    dry_run: bool = False
    resume: bool = False
    print_config: bool = True
    print_function_call: bool = True
    merged_model_save_path: str | None = None
    merged_model_save_kwargs: Mapping[str, Any] | None = None
    report_save_path: str | bool | None = "{log_dir}/" + REPORT_FILE
    individual_accuracy: Any = None

    def __post_init__(self) -> None:
        if self.report_save_path is True:
            raise ValueError("report_save_path must be a path, or null or false for no report; got true")

    def run(self) -> Any:
        """Run the program and return the report; None for a dry run."""
        if is_follower(self.fabric):
            return self._follow()
        config = config_of(self)
        if self.print_config:
            log.info("configuration\n%s", format_config_tree(config))
        if self.dry_run:
            # This finds values that are out of range; pools load nothing until they are used.
            for key in ("method", "modelpool", "taskpool", "executor"):
                build_part(key, getattr(self, key), print_call=self.print_function_call)
            log.info("dry run: the configuration is complete, nothing was loaded")
            return None
        with run_directory(config, resume=self.resume) as log_dir:
            return self._merge(log_dir)

    def _merge(self, log_dir: Path) -> Any:
        from fusion_bench.programs.merge import merge_and_evaluate

        if self.orders is not None:
            from fusion_bench.programs.fusion_orders import merge_orders

            return merge_orders(self, log_dir)
        parts = self.set_up(log_dir)
        with leading():
            result = merge_and_evaluate(
                parts.method,
                parts.modelpool,
                parts.taskpool,
                log_dir=log_dir,
                resume=self.resume,
                seed=self.seed,
                individual=parts.individual,
                loggers=parts.fabric.loggers,
                executor=parts.executor,
                device=parts.fabric.device,
                autocast=parts.fabric.autocast,
                fabric=parts.fabric,
                prefetch=prefetch_command(),
            )
        self.save(result, parts.modelpool, log_dir)
        record_times(log_dir, result.profile.seconds, parts.fabric.device)
        self._summarise(result, log_dir)
        return result.report

    def set_up(self, log_dir: Path | None, *, print_call: bool | None = None) -> Parts:
        """Seed the process and build every part of the configuration.

        Args:
            log_dir: where loggers write; None for no loggers.
            print_call: log the constructor call of each part; None is what the configuration says.
        """
        if self.seed is not None:
            from lightning import seed_everything

            seed_everything(self.seed, verbose=False)
        print_call = self.print_function_call if print_call is None else print_call
        build = partial(build_part, print_call=print_call)
        method, modelpool = build("method", self.method), build("modelpool", self.modelpool)
        taskpool, executor = build("taskpool", self.taskpool), build("executor", self.executor)
        individual = individual_accuracies(self.individual_accuracy)
        check_group(self.fabric, taskpool)
        fabric = build_fabric(self.fabric, log_dir)
        self._set_up(taskpool, fabric)
        return Parts(method, modelpool, taskpool, executor, individual, fabric)

    def _follow(self) -> None:
        """In a process of a group that is not the first: help to evaluate until the first one ends."""
        logging.getLogger().setLevel(logging.WARNING)  # the first process says what there is to say
        taskpool = build_part("taskpool", self.taskpool)
        self._set_up(taskpool, build_fabric(self.fabric, None))
        taskpool.follow()

    def _set_up(self, taskpool: Any, fabric: Any) -> None:
        """Tell a task pool of ours where and how to evaluate."""
        from fusion_bench.programs.merge import true_precision

        if hasattr(taskpool, "setup"):
            taskpool.setup(
                device=fabric.device,
                autocast=fabric.autocast,
                dtype=true_precision(self.fabric),
                fast_dev_run=self.fast_dev_run or None,
            )

    def save(self, result: Any, modelpool: Any, log_dir: Path) -> None:
        """Write the merged model and the report where the configuration asks for them."""
        if self.merged_model_save_path:
            path = fill(self.merged_model_save_path, log_dir)
            with result.profile("saving"):
                modelpool.save_model(result.model, path, **(self.merged_model_save_kwargs or {}))
            log.info("saved the merged model to %s", path)
        if self.report_save_path and result.report is not None:
            report = result.report
            entries = report.to_dict() if hasattr(report, "to_dict") else dict(report)
            write_json(fill(str(self.report_save_path), log_dir), entries)

    def _summarise(self, result: Any, log_dir: Path) -> None:
        """Log the table of results, where the time went and where the files are."""
        from fusion_bench.report import EvalReport
        from fusion_bench.reporting.tables import continual_table, eval_table

        if result.continual is not None and result.continual.tasks:
            log.info("accuracy in %%, a row after each step\n\n%s\n", continual_table(result.continual))
        elif isinstance(result.report, EvalReport):
            log.info("accuracy in %%\n\n%s\n", eval_table(result.report))
        log.info("time by phase\n\n%s\n", result.profile.summary())
        log.info("files of this run: %s\n%s\n", log_dir, list_files(log_dir))


def individual_accuracies(source: Any) -> dict[str, float]:
    """Individual accuracies by task from a mapping, or from a JSON file that holds a mapping or a report.

    Args:
        source: the mapping, the path of the file, or its name in a shipped suite: ``"tiny8/individual.json"``.

    Raises:
        ValueError: if an entry is neither a number in 0..1 nor the scores of a task.
    """
    if source is None:
        return {}
    entries = read_json(local_file(source)) if isinstance(source, str) else source
    accuracies = {}
    for task, value in entries.items():
        if task in RESERVED_NAMES:
            continue
        accuracy = value.get("accuracy") if isinstance(value, Mapping | DictConfig) else value
        if not isinstance(accuracy, int | float) or not 0 <= accuracy <= 1:
            raise ValueError(f"individual_accuracy of {task!r} must be a number in 0..1, got {value!r}")
        accuracies[task] = float(accuracy)
    return accuracies
