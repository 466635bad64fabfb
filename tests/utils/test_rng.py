"""Generators by name."""

import torch

from fusion_bench.utils.rng import fresh_seed, generator_for


def draw(*name):
    return torch.rand(4, generator=generator_for(*name)).tolist()


def test_generators_depend_on_seed_and_purpose_alone():
    before = torch.get_rng_state()
    draws = [draw(0, "a", 1), draw(0, "a", 2), draw(0, "b", 1), draw(1, "a", 1), draw(0)]
    assert draw(0, "a", 1) == draws[0]
    assert all(one != two for index, one in enumerate(draws) for two in draws[:index])
    assert torch.equal(torch.get_rng_state(), before)


def test_fresh_seeds_differ():
    assert len({fresh_seed() for _ in range(5)}) > 1
