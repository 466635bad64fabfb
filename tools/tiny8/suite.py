"""Where the parts of tiny8 are while it is built and where they ship from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tools.tiny8.data.tasks import TASKS

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "fusion_bench/suites/tiny8"
BASE = "clip-vit-tiny"
NAMES = tuple(task.name for task in TASKS)


@dataclass(frozen=True)
class Workshop:
    """The directories of a build, which hold far more than what ships."""

    root: Path

    @property
    def cache(self) -> Path:
        """Downloads and decoded pictures."""
        return self.root / "cache"

    @property
    def pool(self) -> Path:
        """The captioned images for pretraining."""
        return self.root / "pool"

    @property
    def base(self) -> Path:
        """The pretrained model and the state of its training."""
        return self.root / "base"

    def fine_tuned(self, learning_rate: float, task: str) -> Path:
        """The run that fine-tunes one task at one rate."""
        return self.root / f"fine_tuned/{learning_rate:g}/{task}"


def shipped_model(task: str | None = None) -> Path:
    """The directory that a model ships in; the pretrained one without a task."""
    return SHIPPED / "models" / (BASE if task is None else f"{BASE}_{task}")
