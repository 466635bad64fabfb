"""Directories that look like those of finished runs, written without running anything."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

OPCM = {"_target_": "fusion_bench.method.opcm.opcm.OPCM", "order": None, "seed": None, "alpha": 0.5}
AVERAGE = {"_target_": "fusion_bench.method.opcm.weight_average.ContinualWeightAverage", "order": None, "seed": None}
SIMPLE = {"_target_": "fusion_bench.method.simple_average.SimpleAverage"}


def run_config(
    tasks: Sequence[str],
    method: Mapping[str, Any] = OPCM,
    *,
    backbone: str = "toys/tower",
    root: str = "toys",
    **changes: Any,
) -> dict[str, Any]:
    """The configuration of a run on data sets ``ROOT/TASK`` with models ``BACKBONE_TASK``; ``changes`` at its top."""
    return {
        "_target_": "fusion_bench.programs.FabricModelFusionProgram",
        "method": dict(method),
        "modelpool": {"models": {"_pretrained_": backbone, **{task: f"{backbone}_{task}" for task in tasks}}},
        "taskpool": {
            "test_datasets": {task: {"dataset": {"path": f"{root}/{task}", "split": "test"}} for task in tasks},
            "base_model": backbone,
            "clip_model": backbone,
            "corruption": None,
        },
        "fabric": {"precision": None},
        "seed": None,
        "fast_dev_run": False,
        "report_save_path": "{log_dir}/program_report.json",
        **changes,
    }


def write_run(
    directory: Path,
    final: Mapping[str, float],
    *,
    config: Mapping[str, Any] | None = None,
    order: Sequence[str] | None = None,
    learnt: Mapping[str, float] | None = None,
    individual: Mapping[str, float] | None = None,
    overrides: Sequence[str] = (),
) -> Path:
    """A finished run.

    Args:
        directory: where it is written.
        final: accuracy of the final model by task.
        config: ``config.yaml``; that of OPCM on toy data where it is None.
        order: that of a continual run; None for a method that merges all models at once.
        learnt: accuracy on each task right after its model was merged; 0.9 where it is None.
        individual: individual accuracies.
        overrides: what was typed.
    """
    directory.mkdir(parents=True, exist_ok=True)
    tasks = sorted(final)
    (directory / "config.yaml").write_text(yaml.safe_dump(dict(config or run_config(tasks)), sort_keys=False))
    (directory / "overrides.yaml").write_text(yaml.safe_dump(list(overrides)))
    report: dict[str, Any] = {"model_info": {"trainable_params": 1, "all_params": 1, "trainable_percentage": 1.0}}
    report |= {task: {"accuracy": final[task], "loss": 1.0} for task in order or final}
    report["average"] = {"accuracy": sum(final.values()) / len(final) if final else 0.0, "loss": 1.0}
    (directory / "program_report.json").write_text(json.dumps(report))
    if order is not None:
        diagonal = learnt or dict.fromkeys(final, 0.9)
        matrix = [[diagonal[task] if task == name else None for task in order] for name in order]
        matrix[-1] = [final[task] for task in order]
        continual = {"order": list(order), "tasks": list(order), "accuracy_matrix": matrix}
        continual["individual_accuracy"] = dict(individual) if individual else None
        (directory / "continual_report.json").write_text(json.dumps(continual))
    return directory
