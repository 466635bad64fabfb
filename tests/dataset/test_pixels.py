"""Preprocessing in two parts, batches and what is kept of them."""

import pytest
import torch
from clip_files import IMAGE_SIZE, make_rows

from fusion_bench.dataset.images import LabelledImages
from fusion_bench.dataset.pixels import EncodedImages, PixelBatches, PixelTransform
from fusion_bench.models.clip_loading import default_image_processor

ROWS = make_rows(7, 3)


@pytest.fixture
def processor():
    return default_image_processor(IMAGE_SIZE)


@pytest.fixture
def encoded(processor):
    return EncodedImages(LabelledImages.of(ROWS, origin="rows"), PixelTransform(processor))


def collect(batches):
    images, labels = zip(*batches, strict=True)
    return torch.cat(images), torch.cat(labels)


@pytest.mark.parametrize(
    "change", [{}, {"do_normalize": False}, {"do_rescale": False}, {"image_mean": [0.1, 0.2, 0.3]}]
)
def test_both_parts_together_equal_the_processor(processor, change):
    for name, value in change.items():
        setattr(processor, name, value)
    transform = PixelTransform(processor)
    for row in ROWS:
        expected = processor(images=[row["image"]], return_tensors="pt")["pixel_values"]
        assert torch.allclose(transform.decode(transform.encode(row["image"])[None]), expected, atol=1e-6)


def test_images_are_kept_as_bytes(encoded):
    assert encoded[0][0].dtype == torch.uint8


def test_functions_and_ready_tensors():
    transform = PixelTransform(lambda image: torch.full((3, 2, 2), float(image.size[0])))
    assert torch.equal(transform.decode(transform.encode(ROWS[0]["image"])[None]), torch.full((1, 3, 2, 2), 24.0))
    ready = torch.rand(3, 2, 2)
    assert transform.encode(ready) is ready
    with pytest.raises(TypeError, match="must turn an image into a tensor, it gave a str"):
        PixelTransform(lambda image: "x").encode(ROWS[0]["image"])


@pytest.mark.parametrize("keep_bytes", [0, 1 << 30])
def test_every_pass_gives_the_same_batches(encoded, keep_bytes, monkeypatch):
    batches = PixelBatches(encoded, {"batch_size": 3}, keep_bytes=keep_bytes)
    assert [len(labels) for _, labels in batches] == [3, 3, 1]
    if keep_bytes:
        monkeypatch.setattr(LabelledImages, "__getitem__", lambda *args: pytest.fail("read the data again"))
        assert batches.kept_bytes == 7 * 3 * IMAGE_SIZE**2
    first, second = collect(batches), collect(batches)
    assert torch.equal(first[0], second[0])
    assert first[1].tolist() == [row["label"] for row in ROWS]


def test_an_interrupted_pass_is_not_kept(encoded):
    batches = PixelBatches(encoded, {"batch_size": 3}, keep_bytes=1 << 30)
    next(iter(batches))
    assert len(collect(batches)[1]) == 7


def test_the_first_batch_only(encoded):
    batches = PixelBatches(encoded, {"batch_size": 3}, keep_bytes=1 << 30, first_only=True)
    assert [len(labels) for _, labels in batches] == [3]
    assert [len(labels) for _, labels in PixelBatches(encoded, {}, keep_bytes=0, first_only=True)] == [7]


def test_workers(encoded):
    batches = PixelBatches(encoded, {"batch_size": 3, "num_workers": 1}, keep_bytes=0)
    assert torch.equal(collect(batches)[0], collect(PixelBatches(encoded, {}, keep_bytes=0))[0])


@pytest.mark.parametrize("option", [{"shuffle": True}, {"drop_last": True}, {"sampler": []}, {"collate_fn": list}])
def test_options_that_would_change_what_is_scored(encoded, option):
    with pytest.raises(ValueError, match=rf"dataloader_kwargs\.{next(iter(option))}"):
        PixelBatches(encoded, option, keep_bytes=0)
