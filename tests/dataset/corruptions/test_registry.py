"""What holds for every corruption, and how one is chosen."""

import numpy as np
import pytest
from corruption_files import photograph, small_image
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from fusion_bench.dataset.corruptions.registry import CORRUPTIONS, corrupt, corruption_name, generator_of_image

NAMES = ["motion_blur", "impulse_noise", "gaussian_noise", "pixelate", "spatter", "contrast", "jpeg_quality"]
RAW = 9614760586159337909  # of one stream: results can be compared between machines as long as it stays
images = arrays.arrays(np.uint8, st.tuples(st.integers(1, 20), st.integers(1, 20), st.just(3)))


def test_the_seven():
    assert list(CORRUPTIONS) == NAMES
    assert corruption_name("jpeg_compression") == "jpeg_quality"


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=15, deadline=None)
@given(image=images, severity=st.integers(1, 5), seed=st.integers(0, 2**40))
def test_size_and_type_stay_and_the_seed_decides(name, image, severity, seed):
    before = image.copy()
    first, again = (corrupt(name, image, severity, generator_of_image(seed, name, 3)) for _ in range(2))
    assert first.shape == image.shape
    assert first.dtype == np.uint8
    assert np.array_equal(first, again)
    assert np.array_equal(image, before)


@pytest.mark.parametrize("image", [small_image, photograph])
@pytest.mark.parametrize("name", NAMES)
def test_a_higher_severity_distorts_more(name, image):
    clean = image()
    severities = (1, 3) if name == "spatter" else range(1, 6)  # from 4 on it is mud, another liquid
    distortions = [
        np.mean([np.square(corrupt(name, clean, severity, generator_of_image(0, name, index)) - clean.astype(float))
                 for index in range(3)])
        for severity in severities
    ]  # fmt: skip
    assert distortions == sorted(distortions)
    assert distortions[0] > 0


def test_streams_differ_and_are_the_same_everywhere():
    draws = {generator_of_image(*key).integers(2**40) for key in
             [(0, "a", 0), (0, "a", 1), (1, "a", 0), (0, "b", 0), (2**70, "a", 0)]}  # fmt: skip
    assert len(draws) == 5
    assert generator_of_image(0, "gaussian_noise", 7).bit_generator.random_raw() == RAW


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gausian_noise", "did you mean 'gaussian_noise'"),
        ("fog", "there are motion_blur, impulse_noise, gaussian_noise"),
    ],
)
def test_unknown_names(name, message):
    with pytest.raises(KeyError, match=message):
        corrupt(name, small_image(), 5, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("image", "error", "message"),
    [
        ([[1]], TypeError, "needs an image of dtype uint8, got list"),
        (np.zeros((4, 4, 3)), TypeError, "needs an image of dtype uint8, got dtype float64"),
        (np.zeros((4, 4), np.uint8), ValueError, r"shape \(height, width, 3\), got \(4, 4\)"),
        (np.zeros((0, 4, 3), np.uint8), ValueError, r"got \(0, 4, 3\)"),
    ],
)
def test_what_is_no_image(image, error, message):
    with pytest.raises(error, match=message):
        corrupt("contrast", image, 5, np.random.default_rng(0))
