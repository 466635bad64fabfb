"""Positions in the plane of three networks, points between them, and barriers."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fusion_bench.functional.landscape import (
    barrier,
    barycentric,
    combine,
    grid_axes,
    place_in_plane,
    plane_positions,
)


def network(*values: float) -> dict:
    return {"w": torch.tensor(values[:2]).float(), "b": torch.tensor(values[2:]).float()}


A, B, C = network(1, 1, 1), network(5, 1, 1), network(2, 4, 1)


def test_a_triangle_by_hand():
    positions = plane_positions([A, B, C], ["w", "b"])
    torch.testing.assert_close(positions, torch.tensor([[0, 0], [4, 0], [1, 3]], dtype=torch.float64))


@given(st.integers(0, 1000))
@settings(max_examples=15, deadline=None)
def test_positions_keep_distances_and_points_their_place(seed):
    generator = torch.Generator().manual_seed(seed)
    corners = [{"w": torch.randn(4, 3, generator=generator)} for _ in range(3)]
    positions = plane_positions(corners, ["w"])
    for first, second in ((0, 1), (0, 2), (1, 2)):
        distance = (corners[first]["w"] - corners[second]["w"]).norm().double()
        torch.testing.assert_close((positions[first] - positions[second]).norm(), distance, rtol=1e-5, atol=1e-6)
    point = torch.randn(1, 2, generator=generator, dtype=torch.float64)
    shares = barycentric(positions, point)
    assert shares.sum() == pytest.approx(1)
    there = {"w": combine(corners, shares[0].tolist(), "w")}
    torch.testing.assert_close(place_in_plane(corners, positions, there, ["w"]), point[0], rtol=1e-4, atol=1e-4)


def test_corners_come_back_and_integers_stay():
    corners = [{**one, "steps": torch.tensor(7)} for one in (A, B, C)]
    shares = barycentric(plane_positions(corners, ["w", "b"]), torch.tensor([[4.0, 0.0]], dtype=torch.float64))
    torch.testing.assert_close(combine(corners, shares[0].tolist(), "w"), B["w"])
    assert combine(corners, shares[0].tolist(), "steps") == 7


def test_half_precision_is_combined_in_float32():
    halves = [{"w": torch.tensor([1.0], dtype=torch.float16)}, {"w": torch.tensor([1.001], dtype=torch.float16)}]
    assert combine(halves, [0.5, 0.5], "w").dtype == torch.float32


def test_a_network_beside_the_plane_has_no_place():
    positions = plane_positions([A, B, C], ["w", "b"])
    assert place_in_plane([A, B, C], positions, network(2, 2, 3), ["w", "b"]) is None


def test_a_plane_must_be_determined():
    with pytest.raises(ValueError, match="the first two networks are equal"):
        plane_positions([A, A, B], ["w"])
    with pytest.raises(ValueError, match="lie on one line"):
        plane_positions([A, B, network(3, 1, 1)], ["w"])


def test_the_lattice_holds_all_points_and_is_square():
    positions = torch.tensor([[0.0, 0.0], [4.0, 0.0], [1.0, 2.0]], dtype=torch.float64)
    x, y = grid_axes(positions, resolution=13, margin=0.25)
    assert (x[0], x[-1], len(x)) == (-1, 5, 13)
    assert y[0] == -1
    assert y[-1] >= 3
    torch.testing.assert_close(y.diff(), x.diff()[: len(y) - 1])


def test_barriers_by_hand():
    t = torch.tensor([0.0, 0.5, 1.0])
    assert barrier(t, torch.tensor([1.0, 4.0, 2.0])) == 2.5
    assert barrier(t, torch.tensor([1.0, 1.2, 2.0])) == 0
