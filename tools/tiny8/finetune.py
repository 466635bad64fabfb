"""Fine-tune one vision tower a task with the project's own program; the learning rate is chosen on validation images.

``python -m tools.tiny8.finetune --work DIR``; finished runs are kept, an interrupted one goes on.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tools.tiny8.ship import ship_model, write_manifest
from tools.tiny8.suite import NAMES, ROOT, SHIPPED, Workshop, shipped_model

LEARNING_RATES = (2e-4, 4e-4)
OPTIONS = {
    "steps": 300,
    "batch_size": 64,
    "schedule": "cosine",
    "warm_up": 30,
    "weight_decay": 0.0,
    "trained": "matrices",
    "augment": "affine",
    "validate_every": 50,
    "keep": "last",
}


def command(task: str, learning_rate: float, out: Path, *, resume: bool) -> list[str]:
    """The command line of one run."""
    method = {**OPTIONS, "learning_rate": learning_rate}
    return [
        *(sys.executable, "-c", "from fusion_bench.cli.main import main; main()"),
        *("--config-name", "fabric_finetune"),
        "modelpool=CLIPVisionModelPool/clip-vit-tiny_tiny8",
        "taskpool=CLIPVisionModelTaskPool/clip-vit-classification_tiny8_val",
        *(f"task={task}", "seed=0", "save_dtype=float32", "print_config=false", f"resume={str(resume).lower()}"),
        *(f"fabric.loggers.root_dir={out.parent}", f"fabric.loggers.name={out.name}", "fabric.loggers.version=run"),
        *(f"method.{key}={value}" for key, value in method.items()),
    ]


def fine_tune(workshop: Workshop, task: str, learning_rate: float) -> float:
    """Train one tower, unless that is done, and return its accuracy on the validation images."""
    out = workshop.fine_tuned(learning_rate, task)
    report = out / "run/finetune_report.json"
    if not report.is_file():
        resume = (out / "run/config.yaml").is_file()
        subprocess.run(command(task, learning_rate, out, resume=resume), check=True, cwd=ROOT)
    accuracy: float = json.loads(report.read_text(encoding="utf-8"))["accuracy_after"]
    return accuracy


def validation_curve(report: dict[str, Any]) -> dict[int, float]:
    """Accuracy on the validation images by step, as far as it was measured."""
    points = {point["step"]: point["validation_accuracy"] for point in report["curve"]}
    return {0: report["accuracy_before"]} | {step: value for step, value in points.items() if value is not None}


def main() -> None:
    """Train all towers at all rates and ship those of the best rate."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="directory of the build")
    workshop = Workshop(parser.parse_args().work)
    ship_model(workshop.base, shipped_model())
    write_manifest()
    table = {rate: {task: fine_tune(workshop, task, rate) for task in NAMES} for rate in LEARNING_RATES}
    means = {rate: sum(row.values()) / len(row) for rate, row in table.items()}
    best = max(means, key=lambda rate: means[rate])
    curves = {}
    for task in NAMES:
        run = workshop.fine_tuned(best, task) / "run"
        ship_model(run / "checkpoint", shipped_model(task))
        curves[task] = validation_curve(json.loads((run / "finetune_report.json").read_text(encoding="utf-8")))
    record = {"learning_rate": best, "options": OPTIONS, "validation_accuracy": {f"{r:g}": table[r] for r in table}}
    record["validation_curves"] = curves
    (SHIPPED / "fine_tuning.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    write_manifest()
    print(f"learning rate {best:g}: mean validation accuracy {means[best]:.4f} of {means}", file=sys.stderr)


if __name__ == "__main__":
    main()
