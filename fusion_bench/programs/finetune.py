"""The program that fine-tunes a model of a pool on one task: its checkpoint is what merging starts from."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from fusion_bench.programs.group import is_grouped
from fusion_bench.programs.parts import build_fabric, build_part, config_of, fill, prefetch_command, run_directory
from fusion_bench.programs.provenance import record_times
from fusion_bench.programs.run_files import FINETUNE_REPORT_FILE
from fusion_bench.utils.config_tree import format_config_tree
from fusion_bench.utils.files import write_json

log = logging.getLogger(__name__)

SAVE_DTYPES = ("float32", "float16", "bfloat16")
PRECISIONS = ("32", "32-true", "bf16-mixed", "16-mixed")
FAST_STEPS = 3


@dataclass(kw_only=True)
class FineTuneProgram:
    """Fine-tunes ``start`` of ``modelpool`` on ``task`` with ``method`` and writes the files of the run.

    The fields are the top-level keys of ``fabric_finetune.yaml``; nested ones are configurations, not objects.
    """

    method: Any
    modelpool: Any
    taskpool: Any
    task: str
    start: str = "_pretrained_"
    fabric: Any = None
    path: Any = field(default_factory=dict)
    seed: int | None = None
    fast_dev_run: bool = False
    dry_run: bool = False
    resume: bool = False
    print_config: bool = True
    print_function_call: bool = True
    checkpoint_save_path: str = "{log_dir}/checkpoint"
    save_dtype: str | None = None
    report_save_path: str | None = "{log_dir}/" + FINETUNE_REPORT_FILE

    def __post_init__(self) -> None:
        if self.save_dtype is not None and self.save_dtype not in SAVE_DTYPES:
            raise ValueError(f"save_dtype must be null or one of {', '.join(SAVE_DTYPES)}; got {self.save_dtype!r}")
        if not isinstance(self.checkpoint_save_path, str) or not self.checkpoint_save_path:
            raise ValueError(f"checkpoint_save_path must be a path, got {self.checkpoint_save_path!r}")
        precision = (self.fabric or {}).get("precision")
        if precision is not None and str(precision) not in PRECISIONS:
            raise ValueError(
                f"fabric.precision must be null or one of {', '.join(PRECISIONS)} for fine-tuning, which keeps its "
                f"weights in float32; got {precision!r}. save_dtype sets the precision of the checkpoint"
            )

        if is_grouped(self.fabric):
            raise ValueError(f"fine-tuning uses one device: set fabric.devices=1, got {self.fabric.get('devices')!r}")

    def run(self) -> Any:
        """Run the program and return the record of the fine-tuning; None for a dry run."""
        config = config_of(self)
        if self.print_config:
            log.info("configuration\n%s", format_config_tree(config))
        if self.dry_run:
            self._build_parts()  # finds values that are out of range; pools load nothing until they are used
            log.info("dry run: the configuration is complete, nothing was loaded")
            return None
        with run_directory(config, resume=self.resume) as log_dir:
            return self._fine_tune(log_dir)

    def _fine_tune(self, log_dir: Path) -> Any:
        from fusion_bench.callbacks.scalars import LogScalars
        from fusion_bench.programs.inputs import find_inputs, needed_for_training
        from fusion_bench.runtime import Runtime

        method, modelpool, taskpool = self._build_parts()
        find_inputs(needed_for_training(modelpool, taskpool, self.start, self.task), prefetch_command())
        fabric = build_fabric(self.fabric, log_dir)
        taskpool.setup(device=fabric.device, autocast=fabric.autocast, fast_dev_run=self.fast_dev_run or None)
        runtime = Runtime(
            device=fabric.device, log_dir=log_dir, resume=self.resume, seed=self.seed, autocast=fabric.autocast
        )
        scalars = LogScalars(fabric.loggers)
        model, record = method.run(
            modelpool,
            taskpool,
            self.task,
            start=self.start,
            runtime=runtime,
            on_point=lambda point: scalars.write(point.scalars(), point.step),
        )
        scalars.on_run_end()
        with runtime.profile("saving"):
            checkpoint = self._save(model, modelpool, log_dir)
            if self.report_save_path:
                write_json(fill(self.report_save_path, log_dir), {**record.to_dict(), "checkpoint": str(checkpoint)})
        record_times(log_dir, runtime.profile.seconds, fabric.device)
        log.info("time by phase\n\n%s\n", runtime.profile.summary())
        log.info("%s", record.summary())
        log.info("checkpoint: %s", checkpoint)
        return record

    def _build_parts(self) -> tuple[Any, Any, Any]:
        """Method, model pool and task pool.

        Raises:
            TypeError: if the method is none that fine-tunes.
        """
        from fusion_bench.method.finetune.clip_vision import FineTuneClipVision

        parts = {"method": self.method, "modelpool": self.modelpool, "taskpool": self.taskpool}
        show = self.print_function_call
        method, modelpool, taskpool = (build_part(key, part, print_call=show) for key, part in parts.items())
        if not isinstance(method, FineTuneClipVision):
            raise TypeError(f"this program needs method=finetune/clip_vision, got a {type(method).__name__}")
        if self.fast_dev_run:
            steps = min(FAST_STEPS, method.steps)
            method = replace(method, steps=steps, warm_up=min(method.warm_up or 0, steps - 1))
        return method, modelpool, taskpool

    def _save(self, model: Any, modelpool: Any, log_dir: Path) -> Path:
        """Write the checkpoint with the preprocessor of the pool; returns its directory."""
        import torch

        from fusion_bench.models.clip_vision import float_dtype

        name = self.save_dtype or str(float_dtype(modelpool.load_model(self.start))).removeprefix("torch.")
        directory = fill(self.checkpoint_save_path, log_dir)
        modelpool.save_params(tower_params(model, getattr(torch, name)), directory)
        return directory


def tower_params(model: Any, dtype: Any) -> dict[str, Any]:
    """The tensors of a vision tower under canonical names, in ``dtype``."""
    from fusion_bench.models.clip_vision import tower_names

    state = model.state_dict()
    return {name: state[stored].to(dtype) for name, stored in tower_names(state).items()}
