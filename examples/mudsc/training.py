"""Pictures of halves of the classes of a shipped data set, and small networks trained on them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from fusion_bench.dataset.pixels import EncodedImages, PixelTransform
from fusion_bench.dataset.task import as_task
from fusion_bench.models.cifar_resnet import CifarResNet

SIZE = 14  # pixels
BATCH = 50
SCALE = 100.0  # of cosines, as in the paper


def grey(image: Image.Image) -> Tensor:
    """A picture as ``(1, 14, 14)``, values about -1 to 1."""
    small = image.convert("L").resize((SIZE, SIZE), Image.Resampling.BILINEAR)
    return torch.from_numpy(np.asarray(small, dtype=np.float32) / 127.5 - 1).unsqueeze(0)


def halves(classes: int, seed: int) -> dict[str, list[int]]:
    """Two random halves of the classes."""
    order = torch.randperm(classes, generator=torch.Generator().manual_seed(seed)).tolist()
    return {"A": sorted(order[: classes // 2]), "B": sorted(order[classes // 2 :])}


def described(data: str, split: str, classes: list[int]) -> dict[str, Any]:
    """A task of some classes of a data set, as pools take it."""
    return {"dataset": {"path": data, "split": split}, "classnames": data, "classes": classes}


def pictures(data: str, split: str, classes: list[int]) -> tuple[Tensor, Tensor]:
    """Images ``(images, 1, 14, 14)`` and labels counted in ``classes``."""
    images = as_task(data, described(data, split, classes)).load(data)
    with ThreadPoolExecutor(1) as threads:
        return EncodedImages(images, PixelTransform(grey)).batch(range(len(images)), threads)


def train(images: Tensor, labels: Tensor, head: Tensor, *, epochs: int, rate: float = 0.1, seed: int) -> nn.Module:
    """A residual network whose outputs are to be near the vector of the right class.

    Args:
        images: the inputs.
        labels: rows of ``head``.
        head: a unit vector a class.
        epochs: passes over the images.
        rate: the largest learning rate, after a tenth of the steps; it falls to 0.
        seed: of the initialisation and the order.
    """
    torch.manual_seed(seed)
    model = CifarResNet((16, 32, 64), (3, 3, 3), head.shape[1], in_channels=1)
    optimizer = torch.optim.SGD(model.parameters(), lr=rate, momentum=0.9, weight_decay=5e-4, nesterov=True)
    steps = epochs * (len(images) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, rate, total_steps=steps, pct_start=0.1, anneal_strategy="linear", cycle_momentum=False
    )
    for _ in range(epochs):
        for chosen in torch.randperm(len(images)).split(BATCH)[: len(images) // BATCH]:
            logits = SCALE * normalize(model(images[chosen]), dim=-1) @ head.T
            loss = cross_entropy(logits, labels[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return model.eval()
