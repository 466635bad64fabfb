"""Resizing and cropping as CLIP's image processor does it, without the overhead of a call to the processor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor


@dataclass(frozen=True)
class ResizeAndCrop:
    """Scales the shorter edge of an image, then cuts out the middle.

    Args:
        edge: length of the shorter edge afterwards, in pixels.
        height: of the part that is cut out, at most ``edge``.
        width: likewise.
        resample: the filter, as a number of Pillow's ``Resampling``.
    """

    edge: int
    height: int
    width: int
    resample: int

    @classmethod
    def of(cls, processor: Any) -> ResizeAndCrop | None:
        """What a processor does before it rescales and normalises; None if it does anything else.

        The processor is called on two small images, to see that the results are the same.
        """
        settings = processor.to_dict()
        size, crop = dict(settings.get("size") or {}), dict(settings.get("crop_size") or {})
        if not settings.get("do_resize") or not settings.get("do_center_crop") or set(size) != {"shortest_edge"}:
            return None
        found = cls(size["shortest_edge"], crop["height"], crop["width"], int(settings["resample"]))
        if max(found.height, found.width) > found.edge:
            return None
        return found if all(found._agrees(processor, probe) for probe in _probes(found.edge)) else None

    def __call__(self, image: Image.Image) -> Tensor:
        """The bytes of an RGB image, ``(3, height, width)`` uint8."""
        short, long = sorted(image.size)
        scaled = int(self.edge * long / short)
        size = (self.edge, scaled) if image.size[0] <= image.size[1] else (scaled, self.edge)
        resized = image.resize(size, Image.Resampling(self.resample))
        left, top = (size[0] - self.width) // 2, (size[1] - self.height) // 2
        pixels = np.asarray(resized)[top : top + self.height, left : left + self.width]
        return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))

    def _agrees(self, processor: Any, probe: Image.Image) -> bool:
        made = processor(images=[probe], return_tensors="pt", do_rescale=False, do_normalize=False)["pixel_values"][0]
        return torch.equal(self(probe), made)


def _probes(edge: int) -> list[Image.Image]:
    """A wide and a high image with odd sizes and some structure."""
    random = np.random.RandomState(0)
    sizes = ((edge // 2 + 3, edge + 7, 3), (edge + 9, edge - 1, 3))
    return [Image.fromarray(random.randint(0, 256, size, dtype=np.uint8)) for size in sizes]
