"""Edges, distances and grey levels of images that can be looked through by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import ndimage

from fusion_bench.dataset.corruptions.edges import canny, distance_to_edges, equalised

SQUARE = np.zeros((9, 9), np.uint8)
SQUARE[3:6, 3:6] = 200


def test_the_edge_of_a_square_is_thin_and_closed():
    edges = canny(SQUARE, 50, 150)
    assert not edges[4, 4]
    assert not edges[0].any()
    outside = ndimage.label(~edges)[0]
    assert outside[4, 4] != outside[0, 0]


def test_a_weak_edge_counts_beside_a_strong_one_only():
    ramp = np.zeros((5, 20), np.uint8)
    ramp[:, 10:] = 20  # gradient 80
    assert not canny(ramp, 50, 150).any()
    assert canny(ramp, 50, 79).any()
    ramp[3:, 10:] = 200
    assert canny(ramp, 50, 150)[0].any()


def test_a_flat_image_has_no_edges():
    flat = np.full((3, 4), 7, np.uint8)
    assert not canny(flat, 50, 150).any()
    assert np.isinf(distance_to_edges(canny(flat, 50, 150))).all()


def test_distances_in_steps():
    edges = np.zeros((4, 4), bool)
    edges[0, 0] = True
    distance = distance_to_edges(edges)
    assert distance[0].tolist() == [0, 1, 2, 3]
    assert distance[1] == pytest.approx([1, 1.4, 2.1969, 3.1969])
    assert distance[2] == pytest.approx([2, 2.1969, 2.8, 3.5969])
    exact = ndimage.distance_transform_edt(~edges)
    assert np.abs(distance - exact).max() < 0.05 * exact.max()


def test_equalised_by_hand():
    assert equalised(np.array([[3, 3, 5], [5, 9, 9]], np.uint8)).tolist() == [[0, 0, 128], [128, 255, 255]]
    assert equalised(np.full((2, 2), 9, np.uint8)).tolist() == [[9, 9], [9, 9]]


@given(arrays.arrays(np.uint8, st.tuples(st.integers(1, 6), st.integers(1, 6))))
def test_equalising_keeps_the_order(image):
    levels = equalised(image).ravel().astype(int)
    order = np.argsort(image.ravel(), kind="stable")
    assert (np.diff(levels[order]) >= 0).all()
