"""Random changes to training images that leave what they show as it is."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample


def random_affine(pixels: Tensor, generator: torch.Generator, *, shift: float, scale: float, turn: float) -> Tensor:
    """Each image shifted, scaled and turned at random; what comes in from outside repeats the border.

    Args:
        pixels: ``(images, channels, height, width)``.
        generator: on the CPU, so that the same numbers are drawn on every device.
        shift: largest shift, as a share of the image.
        scale: largest change of width and height, as a share of them.
        turn: largest angle, in degrees.
    """

    def uniform(limit: float) -> Tensor:
        return (2 * torch.rand(len(pixels), generator=generator) - 1) * limit

    angle, width, height = uniform(math.radians(turn)), 1 + uniform(scale), 1 + uniform(scale)
    rows = (
        torch.stack([width * angle.cos(), -angle.sin(), uniform(2 * shift)], 1),  # coordinates go from -1 to 1
        torch.stack([angle.sin(), height * angle.cos(), uniform(2 * shift)], 1),
    )
    matrices = torch.stack(rows, 1).to(pixels)
    grid = affine_grid(matrices, list(pixels.shape), align_corners=False)
    return grid_sample(pixels, grid, padding_mode="border", align_corners=False)
