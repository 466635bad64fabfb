"""Random changes to training images that leave what they show as it is."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 - the usual name of this module
from torch import Tensor

SHIFT, SCALE, ANGLE = 0.12, 0.12, 0.1  # of half the image, of its size, in rad
CONTRAST, BRIGHTNESS = 0.2, 0.15


def augment(inputs: Tensor, generator: torch.Generator) -> Tensor:
    """Each image, of ``(n, 3, height, width)`` in -1..1, shifted, scaled, turned, and changed in tone."""

    def uniform(limit: float) -> Tensor:
        return (2 * torch.rand(len(inputs), generator=generator) - 1) * limit

    angle, width, height = uniform(ANGLE), 1 + uniform(SCALE), 1 + uniform(SCALE)
    rows = (
        torch.stack([width * angle.cos(), -angle.sin(), uniform(SHIFT)], 1),
        torch.stack([angle.sin(), height * angle.cos(), uniform(SHIFT)], 1),
    )
    grid = F.affine_grid(torch.stack(rows, 1), list(inputs.shape), align_corners=False)
    moved = F.grid_sample(inputs, grid, padding_mode="border", align_corners=False)
    contrast, brightness = 1 + uniform(CONTRAST), uniform(BRIGHTNESS)
    return (moved * contrast[:, None, None, None] + brightness[:, None, None, None]).clamp(-1, 1)
