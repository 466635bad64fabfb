"""Motion blur against another implementation, and on images whose blur can be written down."""

import numpy as np
import pytest
from corruption_files import both, photograph

from fusion_bench.dataset.corruptions.blur import blur_along


@pytest.mark.parametrize("severity", range(1, 6))
def test_equals_another_implementation(severity):
    ours, theirs = both("motion_blur", severity)
    assert np.abs(ours - theirs).max() <= 1


def test_a_point_becomes_half_a_normal_density():
    image = np.zeros((1, 9, 3), np.uint8)
    image[0, 6] = 255
    weights = np.exp(-(np.arange(3) ** 2) / 2.0)
    row = blur_along(image, 1, 1.0, 0.0)[0, :, 0]
    assert row[4:7].tolist() == np.floor(255 * weights / weights.sum())[::-1].astype(int).tolist()
    assert not row[:4].any()
    assert not row[7:].any()


def test_the_angle_turns_the_line():
    image = np.zeros((9, 9, 3), np.uint8)
    image[6, 6] = 255
    down, slanted = (blur_along(image, 1, 1.0, angle)[..., 0] for angle in (90.0, 45.0))
    assert np.argwhere(down).tolist() == [[4, 6], [5, 6], [6, 6]]
    assert np.argwhere(slanted).tolist() == [[5, 5], [6, 6]]  # both shifts of the last step are rounded to 1
    assert slanted[5, 5] > down[5, 6]


def test_a_flat_image_stays_as_it_is_up_to_its_border():
    image = np.full((4, 5, 3), 100, np.uint8)
    assert np.abs(blur_along(image, 10, 3.0, 30.0).astype(int) - 100).max() <= 1


def test_blur_removes_contrast_and_keeps_the_mean():
    image = photograph()
    blurred = blur_along(image, 10, 3.0, 20.0)
    assert np.abs(np.diff(blurred.astype(int), axis=1)).mean() < 0.7 * np.abs(np.diff(image.astype(int), axis=1)).mean()
    assert blurred.mean() == pytest.approx(image.mean(), abs=3)
