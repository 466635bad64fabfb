"""Spatter against another implementation with the same random numbers, and its two liquids."""

import numpy as np
import pytest
from corruption_files import both, photograph

from fusion_bench.dataset.corruptions.spatter import MUD, mud_cover, spatter, water_light


@pytest.mark.parametrize("severity", range(1, 6))
def test_is_close_to_another_implementation(severity):
    ours, theirs = both("spatter", severity)
    difference = np.abs(ours - theirs)
    if severity >= 4:  # mud has no steps that hang on the rounding of distances
        assert difference.max() <= 1
    else:
        assert difference.mean() < 0.5
        assert (difference > 1).mean() < 0.04


def test_water_brightens_and_mud_hides():
    clean = photograph().astype(int)
    water = spatter(photograph(), 3, np.random.default_rng(0)).astype(int) - clean
    assert water.min() >= -1
    assert water.max() > 60
    mud = spatter(photograph(), 5, np.random.default_rng(0)).astype(int)
    closer = np.abs(mud - 255 * MUD) <= np.abs(clean - 255 * MUD) + 1
    assert closer.all()
    assert 0.1 < (mud != clean).any(axis=-1).mean() < 0.9


def test_cover_has_no_thin_rim():
    is_wet = np.zeros((9, 9), bool)
    is_wet[:, 4:] = True
    cover = mud_cover(is_wet, 1.0)
    assert cover[0, 8] == pytest.approx(1, abs=1e-3)
    assert ((cover == 0) | (cover >= 0.8)).all()
    assert np.array_equal(mud_cover(np.zeros((3, 3), bool), 1.0), np.zeros((3, 3)))


def test_no_liquid_gives_no_light():
    assert not water_light(np.zeros((6, 6))).any()
    heights = np.zeros((20, 20))
    heights[5:15, 5:15] = 0.8
    light = water_light(heights)
    assert light.max() == 1
    assert not light[heights == 0].any()
