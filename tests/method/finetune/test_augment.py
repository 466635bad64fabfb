"""Random shifts, scales and turns."""

import torch

from fusion_bench.method.finetune.augment import random_affine
from fusion_bench.utils.rng import generator_for

PIXELS = torch.arange(2 * 3 * 8 * 8.0).view(2, 3, 8, 8)


def test_nothing_changes_where_all_amounts_are_zero():
    same = random_affine(PIXELS, generator_for(0), shift=0, scale=0, turn=0)
    torch.testing.assert_close(same, PIXELS, atol=1e-3, rtol=0)


def test_images_change_each_in_its_own_way_and_alike_for_one_seed():
    one, two = (random_affine(PIXELS[:1].expand(2, 3, 8, 8), generator_for(1), shift=0.1, scale=0.1, turn=6.0)
                for _ in range(2))  # fmt: skip
    assert torch.equal(one, two)
    assert not torch.equal(one[0], one[1])
    assert not torch.equal(one[0], PIXELS[0])


def test_a_shift_is_a_share_of_the_image():
    moved = random_affine(PIXELS, generator_for(2), shift=0.25, scale=0, turn=0)
    center, before = moved[:, 0, 4, 4], PIXELS[:, 0, 4, 4]
    assert ((center - before).abs() <= 2 * 8 + 2 + 1e-3).all()  # two rows and two columns of eight
    assert (center != before).all()
