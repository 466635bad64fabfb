"""Our resizing and cropping against the image processor of transformers."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fusion_bench.dataset.resizing import ResizeAndCrop
from fusion_bench.models.clip_loading import default_image_processor

PROCESSORS = {edge: default_image_processor(edge) for edge in (16, 33, 224)}


def by_transformers(processor, image):
    return processor(images=[image], return_tensors="pt", do_rescale=False, do_normalize=False)["pixel_values"][0]


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(PROCESSORS)), st.integers(1, 300), st.integers(1, 300), st.integers(0, 99))
def test_every_size_gives_the_bytes_of_the_processor(edge, width, height, seed):
    random = np.random.RandomState(seed)
    image = Image.fromarray(random.randint(0, 256, (height, width, 3), dtype=np.uint8))
    processor = PROCESSORS[edge]
    assert torch.equal(ResizeAndCrop.of(processor)(image), by_transformers(processor, image))


def test_a_crop_smaller_than_the_edge_and_another_filter():
    processor = default_image_processor(32)
    processor.size, processor.crop_size, processor.resample = {"shortest_edge": 40}, {"height": 32, "width": 21}, 2
    image = Image.fromarray(np.random.RandomState(0).randint(0, 256, (57, 91, 3), dtype=np.uint8))
    made = ResizeAndCrop.of(processor)(image)
    assert made.shape == (3, 32, 21)
    assert torch.equal(made, by_transformers(processor, image))


@pytest.mark.parametrize(
    "change",
    [
        {"do_resize": False},
        {"do_center_crop": False},
        {"size": {"height": 16, "width": 16}},
        {"crop_size": {"height": 40, "width": 40}},
    ],
)
def test_another_preprocessing_is_left_to_the_processor(change):
    processor = default_image_processor(16)
    for name, value in change.items():
        setattr(processor, name, value)
    assert ResizeAndCrop.of(processor) is None


def test_a_processor_that_does_something_else_is_noticed(monkeypatch):
    processor = default_image_processor(16)
    preprocess = type(processor).preprocess

    def brighter(self, *args, **kwargs):
        made = preprocess(self, *args, **kwargs)
        made["pixel_values"] = made["pixel_values"] // 2
        return made

    monkeypatch.setattr(type(processor), "preprocess", brighter)
    assert ResizeAndCrop.of(processor) is None
