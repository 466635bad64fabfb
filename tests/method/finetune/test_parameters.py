"""Learning rates by hand, and the optimiser put back as it was."""

import math

import pytest
import torch
from clip_files import make_clip
from torch import nn

from fusion_bench.method.finetune.parameters import (
    learning_rate_at,
    make_optimiser,
    moments,
    restore_moments_,
    trained_names,
)


def test_warm_up_then_cosine():
    rates = [learning_rate_at(step, peak=4.0, steps=8, warm_up=4, schedule="cosine") for step in range(1, 9)]
    assert rates[:5] == [1.0, 2.0, 3.0, 4.0, 4.0]
    assert rates[6] == pytest.approx(2.0)
    assert rates[7] == pytest.approx(2 * (1 + math.cos(0.75 * math.pi)))


def test_constant():
    assert [learning_rate_at(s, peak=4.0, steps=3, warm_up=0, schedule="constant") for s in (1, 2, 3)] == [4.0] * 3


def test_names():
    tower = make_clip().vision_model
    matrices, attention = trained_names(tower, "matrices"), trained_names(tower, "attention")
    assert len(matrices) == 12
    assert len(attention) == 8
    assert all("self_attn" in name and name.endswith("_proj.weight") for name in attention)
    assert len(trained_names(tower, "all")) == len(list(tower.parameters()))
    with pytest.raises(ValueError, match="trained=matrices finds no weight to train in a Linear; use trained=all"):
        trained_names(nn.Linear(2, 2), "matrices")


def test_vectors_do_not_decay():
    layer = nn.Linear(2, 3)
    groups = make_optimiser(layer.parameters(), 0.1).param_groups
    assert [(group["weight_decay"], len(group["params"])) for group in groups] == [(0.1, 1), (0.0, 1)]
    assert len(make_optimiser([layer.weight], 0.1).param_groups) == 1


def test_a_parameter_that_was_never_stepped_has_no_moments():
    layer = nn.Linear(2, 3)
    named, optimiser = dict(layer.named_parameters()), make_optimiser(layer.parameters(), 0.1)
    assert moments(optimiser, named) == {}
    restore_moments_(optimiser, named, {})
    assert moments(optimiser, named) == {}


def test_restored_moments_give_the_same_next_step():
    def step(layer, optimiser):
        optimiser.zero_grad()
        layer(torch.ones(1, 2)).square().sum().backward()
        for group in optimiser.param_groups:
            group["lr"] = 0.1
        optimiser.step()

    with torch.random.fork_rng():
        torch.manual_seed(0)
        first, second = nn.Linear(2, 3), nn.Linear(2, 3)
    one = make_optimiser(first.parameters(), 0.1)
    step(first, one)
    step(first, one)
    second.load_state_dict(first.state_dict())
    two = make_optimiser(second.parameters(), 0.1)
    saved = {name: tensor.clone() for name, tensor in moments(one, dict(first.named_parameters())).items()}
    restore_moments_(two, dict(second.named_parameters()), saved)
    step(first, one)
    step(second, two)
    assert torch.equal(first.weight, second.weight)
    assert torch.equal(first.bias, second.bias)
