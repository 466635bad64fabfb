"""Zero-shot accuracy of a CLIP model on the validation images of the tasks."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.parquet as pq
import torch
from PIL import Image
from torch import Tensor

from tools.tiny8.architecture import MEAN, STD
from tools.tiny8.contrast import embed_images, zero_shot_head
from tools.tiny8.data.tasks import TASKS

if TYPE_CHECKING:
    from transformers import CLIPModel, CLIPTokenizer

Validation = dict[str, tuple[Tensor, Tensor]]
"""Normalised images and labels by task."""


def read_images(path: Path) -> tuple[Tensor, Tensor]:
    """Normalised images, ``(n, 3, 32, 32)``, and labels, ``(n,)``, of a Parquet file."""
    table = pq.read_table(path, columns=["image", "label"])
    pictures = [np.asarray(Image.open(io.BytesIO(cell["bytes"])).convert("RGB")) for cell in table["image"].to_pylist()]
    pixels = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 255
    return (pixels - MEAN) / STD, torch.tensor(table["label"].to_pylist())


def read_validation(data: Path, split: str = "validation") -> Validation:
    """The images of one split of every task below ``data``."""
    return {task.name: read_images(data / task.name / f"{split}.parquet") for task in TASKS}


@torch.no_grad()
def zero_shot_accuracy(model: CLIPModel, tokenizer: CLIPTokenizer, validation: Validation) -> dict[str, float]:
    """Accuracy in 0..1 by task, and their mean."""
    model.eval()
    accuracies = {}
    for task in TASKS:
        images, labels = validation[task.name]
        head = zero_shot_head(model, tokenizer, task.classes, task.templates)
        accuracies[task.name] = float(((embed_images(model, images) @ head.T).argmax(1) == labels).float().mean())
    return {**accuracies, "mean": sum(accuracies.values()) / len(accuracies)}
