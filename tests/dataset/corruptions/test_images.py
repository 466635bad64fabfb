"""Corrupted data sets: the same image whatever was read before, and clear refusals."""

import numpy as np
import pytest
import torch
from clip_files import make_rows

from fusion_bench.dataset.corruptions.images import CorruptedImages
from fusion_bench.dataset.corruptions.registry import corrupt, generator_of_image
from fusion_bench.dataset.images import LabelledImages

CLEAN = LabelledImages.of(make_rows(5, 3), origin="rows")


def pixels(images, index):
    return np.asarray(images[index][0])


def test_every_image_has_noise_of_its_own():
    images = CorruptedImages(CLEAN, "gaussian_noise", seed=4)
    assert len(images) == 5
    for index in (3, 0, 3):
        expected = corrupt("gaussian_noise", pixels(CLEAN, index), 5, generator_of_image(4, "gaussian_noise", index))
        assert np.array_equal(pixels(images, index), expected)
        assert images[index][1] == CLEAN[index][1]
    assert np.array_equal(pixels(images, -1), pixels(images, 4))
    noise = [pixels(images, index).astype(int) - pixels(CLEAN, index) for index in (0, 1)]
    assert not np.array_equal(*noise)


def test_an_alias_gives_the_same_images_and_key():
    one, two = CorruptedImages(CLEAN, "jpeg_quality", 3, 1), CorruptedImages(CLEAN, "jpeg_compression", 3, 1)
    assert one.key == two.key == "jpeg_quality-3-1"
    assert np.array_equal(pixels(one, 0), pixels(two, 0))
    assert one.origin == "rows"


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        (("fog",), KeyError, "no corruption 'fog'"),
        (("contrast", 6), ValueError, "severity of a corruption must be an integer from 1 to 5, got 6"),
        (("contrast", 5, -1), ValueError, "seed of a corruption must be an integer of at least 0, got -1"),
        (("contrast", 5, None), ValueError, "seed of a corruption must be an integer of at least 0, got None"),
    ],
)
def test_mistakes_are_found_at_once(settings, error, message):
    with pytest.raises(error, match=message):
        CorruptedImages(CLEAN, *settings)


def test_tensors_that_are_ready_are_refused():
    images = CorruptedImages(LabelledImages.of([(torch.rand(3, 4, 4), 0)], origin="mine"), "contrast")
    with pytest.raises(TypeError, match="mine, row 0: a Tensor that is ready for the model cannot be corrupted"):
        images[0]
