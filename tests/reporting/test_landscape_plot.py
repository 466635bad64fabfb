"""Levels of the contours of a loss landscape."""

import itertools

import pytest
import torch

from fusion_bench.reporting.landscape_plot import loss_levels


def test_levels_run_from_the_lowest_loss_and_stop_where_networks_cannot_be_told_apart():
    losses = torch.tensor([[0.1, 1.0], [50.0, 1000.0]])
    levels = loss_levels(losses, at=[0.2, 1.1])
    assert levels[0] == pytest.approx(0.1)
    assert levels[-1] == pytest.approx(0.1 + 8 * (1.1 - 0.1))
    ratios = [after / before for before, after in itertools.pairwise(levels)]
    assert ratios == pytest.approx([ratios[0]] * len(ratios))


def test_levels_of_a_flat_landscape_increase():
    levels = loss_levels(torch.zeros(2, 2), at=[0.0])
    assert levels[0] > 0
    assert all(after > before for before, after in itertools.pairwise(levels))
