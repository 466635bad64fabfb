"""Real images of digits, and pools of a tiny CLIP model with them, for the tests of fine-tuning."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from fusion_bench.method.finetune import FineTuneClipVision
from fusion_bench.modelpool.clip_vision import CLIPVisionModelPool
from fusion_bench.taskpool.clip_vision import CLIPVisionModelTaskPool

QUICK = {"steps": 6, "batch_size": 8, "learning_rate": 3e-3, "warm_up": 2, "seed": 0, "validate_every": 2}


@cache
def _digits():
    return load_digits()


def digit_rows(start: int, stop: int) -> list[dict[str, object]]:
    """Scans of 8x8 pixels with their labels."""
    data = _digits()
    images = [Image.fromarray(np.uint8(image * 15.9)) for image in data.images[start:stop]]
    return [{"image": image, "label": int(label)} for image, label in zip(images, data.target[start:], strict=False)]


def make_pools(
    clip_dir: Path, count: int = 64, **models: object
) -> tuple[CLIPVisionModelPool, CLIPVisionModelTaskPool]:
    """A model pool with training images of ``digits``, and a task pool with other images of them."""
    pool = CLIPVisionModelPool(
        {"_pretrained_": str(clip_dir), **models}, train_datasets={"digits": digit_rows(0, count)}
    )
    taskpool = CLIPVisionModelTaskPool({"digits": {"dataset": digit_rows(1000, 1050)}}, base_model=str(clip_dir))
    return pool, taskpool


def quick(**changes: object) -> FineTuneClipVision:
    """A method that takes no time."""
    return FineTuneClipVision(**{**QUICK, **changes})
