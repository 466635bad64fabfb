"""Batches scored in parts, side by side."""

import pytest
import torch
from torch import nn
from transformers import CLIPVisionConfig, CLIPVisionModel

from fusion_bench.taskpool.parts import can_be_split, logits_at_once, logits_in_parts, part_size


def batches(sizes):
    start = 0
    for size in sizes:
        numbers = torch.arange(start, start + size)
        start += size
        yield numbers.view(-1, 1, 1, 1).to(torch.float32), numbers


def test_parts_come_back_in_order():
    torch.set_num_threads(3)
    seen = []

    def logits(part):
        seen.append(len(part))
        return [part.view(-1, 1), -part.view(-1, 1)]

    entered = []
    sizes = [70, 70, 5]
    found = list(logits_in_parts(logits, batches(sizes), lambda: entered.append(1) or torch.inference_mode()))
    assert [len(labels) for _, labels in found] == sizes
    for (plus, minus), labels in found:
        assert plus.flatten().tolist() == labels.tolist() == (-minus).flatten().tolist()
    assert max(seen) <= 32
    assert sum(seen) == sum(sizes)
    assert len(entered) <= 3
    assert torch.get_num_threads() == 3


def test_threads_are_in_inference_mode_and_in_the_context():
    states = []

    def logits(part):
        states.append((torch.is_inference_mode_enabled(), torch.is_autocast_enabled("cpu"), torch.get_num_threads()))
        return [part]

    list(logits_in_parts(logits, batches([40]), lambda: torch.autocast("cpu", dtype=torch.bfloat16)))
    assert set(states) == {(True, True, 1)}
    assert not torch.is_autocast_enabled("cpu")


def test_an_error_ends_the_pass():
    torch.set_num_threads(2)

    def logits(part):
        raise ValueError("no such class")

    with pytest.raises(ValueError, match="no such class"):
        list(logits_in_parts(logits, batches([40, 40, 40]), torch.inference_mode))
    assert torch.get_num_threads() == 2


def test_a_pass_can_be_given_up():
    torch.set_num_threads(2)
    passing = logits_in_parts(lambda part: [part], batches([40] * 5), torch.inference_mode)
    next(passing)
    passing.close()
    assert torch.get_num_threads() == 2


def test_at_once_gives_the_same():
    def logits(part):
        return [part.view(-1, 1)]

    for (one, labels), (other, same) in zip(
        logits_at_once(logits, batches([40, 3])),
        logits_in_parts(logits, batches([40, 3]), torch.inference_mode),
        strict=True,
    ):
        assert torch.equal(one[0], other[0])
        assert torch.equal(labels, same)


@pytest.mark.parametrize(("side", "size"), [(32, 32), (224, 8), (1000, 8), (1, 32)])
def test_large_images_make_small_parts(side, size):
    assert part_size(torch.empty((2, 3, side, side), dtype=torch.uint8)) == size


def test_what_can_be_split():
    config = CLIPVisionConfig(hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2)
    tower = CLIPVisionModel(config).eval()
    assert can_be_split(tower)
    assert not can_be_split(nn.Identity())
    assert not can_be_split(CLIPVisionModel(config).train())
    handle = next(tower.modules()).register_forward_hook(lambda *_: None)
    assert not can_be_split(tower)
    handle.remove()
    assert can_be_split(tower)
