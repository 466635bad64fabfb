"""Noise against another implementation with the same random numbers, and in its distribution."""

import numpy as np
import pytest
from corruption_files import both, photograph

from fusion_bench.dataset.corruptions.noise import gaussian_noise, impulse_noise

GREY = np.full((32, 32, 3), 128, np.uint8)


@pytest.mark.parametrize("severity", range(1, 6))
def test_gaussian_noise_equals_another_implementation(severity):
    ours, theirs = both("gaussian_noise", severity)
    assert np.abs(ours - theirs).max() <= 1
    assert (ours != theirs).mean() < 1e-3


@pytest.mark.parametrize("severity", range(1, 6))
def test_impulse_noise_is_as_frequent_as_in_another_implementation(severity):
    clean = photograph()[1::4, 1::4]
    (changed, salt), (their_changed, their_salt) = (
        ((image != clean).mean(), (image[image != clean] == 255).mean()) for image in both("impulse_noise", severity)
    )
    assert changed == pytest.approx(their_changed, abs=0.02)  # four standard deviations of a share of 3672 values
    assert salt == pytest.approx(their_salt, abs=0.25 if severity == 1 else 0.12)


@pytest.mark.parametrize(
    ("side", "deviations"), [(32, (0.04, 0.06, 0.08)), (64, (0.04, 0.08, 0.12)), (160, (0.08, 0.12, 0.18))]
)
def test_the_size_decides_the_deviation_of_gaussian_noise(side, deviations):
    image = np.full((side, side, 3), 128, np.uint8)
    for severity, deviation in enumerate(deviations, start=1):  # little of these is clipped
        noise = gaussian_noise(image, severity, np.random.default_rng(0)).astype(float) - 128
        assert noise.std() == pytest.approx(255 * deviation, rel=0.05)
        assert noise.mean() == pytest.approx(-0.5, abs=2)  # fractions are cut


def test_impulse_noise_by_hand():
    noisy = impulse_noise(GREY, 5, np.random.default_rng(0))
    changed = noisy != 128
    assert set(np.unique(noisy)) == {0, 128, 255}
    assert changed.mean() == pytest.approx(0.07, abs=0.02)
    assert (noisy[changed] == 255).mean() == pytest.approx(0.5, abs=0.15)
    assert not np.array_equal(changed[..., 0], changed[..., 1])  # each channel on its own
