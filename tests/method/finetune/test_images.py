"""Order of the training images, and how often they are read."""

import logging

import torch

from fusion_bench.method.finetune import images as module_under_test
from fusion_bench.method.finetune.images import TrainingImages


class Transform:
    def decode(self, encoded):
        return encoded.float()


class Images:
    """Five images of one pixel; counts how often each is read."""

    transform = Transform()

    def __init__(self):
        self.read = [0] * 5

    def __len__(self):
        return 5

    def __getitem__(self, index):
        self.read[index] += 1
        return torch.full((1, 1, 1), index, dtype=torch.uint8), index


def make(images=None, batch_size=2, seed=0, cache=True):
    return TrainingImages(images or Images(), batch_size=batch_size, seed=seed, cache=cache)


def test_every_image_once_before_any_again():
    batches = make()
    drawn = [index for step in range(1, 6) for index in batches.indices(step)]
    assert sorted(drawn[:5]) == sorted(drawn[5:]) == list(range(5))
    assert drawn[:5] != drawn[5:]


def test_the_order_depends_on_the_seed_and_the_step_alone():
    assert make().indices(4) == make().indices(4)
    batches = make()
    assert [batches.indices(step) for step in (4, 1, 4)] == [make().indices(step) for step in (4, 1, 4)]
    assert [make(seed=1).indices(step) for step in range(1, 6)] != [make().indices(step) for step in range(1, 6)]


def test_a_batch_may_be_larger_than_the_data_set():
    drawn = make(batch_size=12).indices(1)
    assert sorted(drawn[:5]) == sorted(drawn[5:10]) == list(range(5))


def test_kept_images_are_read_once():
    images = Images()
    batches = make(images)
    for step in range(1, 20):
        encoded, labels = batches.batch(step)
        assert encoded.flatten().tolist() == labels.tolist() == batches.indices(step)
    assert sum(images.read) == 5 + 1  # one more for its size
    assert encoded.dtype == torch.uint8


def test_images_that_take_too_much_memory_are_read_anew(monkeypatch, caplog):
    monkeypatch.setattr(module_under_test, "KEPT_BYTES", 4)
    images = Images()
    with caplog.at_level(logging.INFO):
        batches = make(images)
    assert "preprocessed anew whenever they are drawn" in caplog.text
    for step in range(1, 6):
        encoded, labels = batches.batch(step)
        assert encoded.flatten().tolist() == labels.tolist()
    assert sum(images.read) == 10 + 1
