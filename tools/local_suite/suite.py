"""What the suite consists of: the tasks that its configuration names, and where its files are."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from fusion_bench.dataset.registry import ClassNames
from fusion_bench.dataset.task import as_task

TASK_POOL = Path(__file__).parents[2] / "config/taskpool/CLIPVisionModelTaskPool/clip-vit-classification_local.yaml"
SPLITS = ("train", "validation", "test")


@cache
def tasks() -> dict[str, ClassNames]:
    """Class names and templates by task, as the task pool's configuration has them."""
    entries = yaml.safe_load(TASK_POOL.read_text(encoding="utf-8"))["test_datasets"]
    return {name: as_task(name, entry).resolve_names(name) for name, entry in entries.items()}


def prompts(names: ClassNames, label: int) -> tuple[str, ...]:
    """The prompts of one class."""
    return tuple(template.format(names.classnames[label]) for template in names.templates)


@dataclass(frozen=True)
class Layout:
    """The files of a suite below its directory."""

    root: Path

    @property
    def settings(self) -> Path:
        """What the suite was built with."""
        return self.root / "build.json"

    @property
    def clip(self) -> Path:
        """The pretrained CLIP model with tokenizer and image processor."""
        return self.root / "clip"

    def parquet(self, task: str, split: str) -> Path:
        """The images and labels of one split."""
        return self.root / task / f"{split}.parquet"

    def checkpoint(self, task: str) -> Path:
        """The vision tower fine-tuned on ``task``."""
        return self.root / "checkpoints" / task

    @property
    def pretrained(self) -> Path:
        """Report of the pretrained model."""
        return self.root / "pretrained.json"

    @property
    def individual(self) -> Path:
        """Report of every fine-tuned model on its own task."""
        return self.root / "individual.json"
