"""Contrast, coarse pixels and JPEG against another implementation, and by hand."""

import io

import numpy as np
import pytest
from corruption_files import both, photograph, small_image
from PIL import Image

from fusion_bench.dataset.corruptions.digital import contrast, jpeg_quality, pixelate


@pytest.mark.parametrize("severity", range(1, 6))
@pytest.mark.parametrize("name", ["contrast", "pixelate", "jpeg_quality"])
def test_equals_another_implementation(name, severity):
    ours, theirs = both(name, severity)
    difference = np.abs(ours - theirs)
    if name == "jpeg_quality":  # decoders may round differently
        assert difference.mean() < 1
    else:
        assert difference.max() <= 1


def test_contrast_by_hand():
    image = np.zeros((1, 4, 3), np.uint8)
    image[0, :2] = 200  # mean 100 in every channel
    for severity, expected in ((1, [175, 25]), (5, [115, 85])):
        low, high = contrast(image, severity, None)[0, 1:3, 0]
        assert [low, high] == pytest.approx(expected, abs=1)  # fractions are cut


def test_pixelate_by_hand():
    image = np.zeros((130, 130, 3), np.uint8)
    image[:, 65:] = 90
    coarse = pixelate(image, 2, None)  # half the pixels: two make one
    assert np.array_equal(coarse[0, :64], image[0, :64])
    assert coarse[0, 64].tolist() == coarse[0, 65].tolist() == [45, 45, 45]
    assert pixelate(image[:1, :1], 5, None).tolist() == image[:1, :1].tolist()


@pytest.mark.parametrize(
    ("image", "quality"), [(small_image, 40), (lambda: np.tile(small_image(), (2, 2, 1)), 25), (photograph, 7)]
)
def test_the_size_decides_the_quality(image, quality):
    file = io.BytesIO()
    Image.fromarray(image()).save(file, "JPEG", quality=quality)
    assert np.array_equal(jpeg_quality(image(), 5, None), np.asarray(Image.open(file)))
