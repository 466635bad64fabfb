"""Preprocessing in two parts."""

import pytest
import torch
from clip_files import IMAGE_SIZE, make_rows

from fusion_bench.dataset.images import LabelledImages
from fusion_bench.dataset.pixels import EncodedImages, PixelTransform
from fusion_bench.models.clip_loading import default_image_processor

ROWS = make_rows(7, 3)


@pytest.fixture
def processor():
    return default_image_processor(IMAGE_SIZE)


@pytest.fixture
def encoded(processor):
    return EncodedImages(LabelledImages.of(ROWS, origin="rows"), PixelTransform(processor))


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


def test_a_batch_is_decoded_as_its_images_are(processor, monkeypatch):
    transform = PixelTransform(processor)
    encoded = torch.stack([transform.encode(row["image"]) for row in ROWS])
    expected = torch.stack([transform.decode(one[None])[0] for one in encoded])
    for size in (1, 2 * encoded[0].numel(), 1 << 30):
        monkeypatch.setattr("fusion_bench.dataset.pixels._BYTES_AT_A_TIME", size)
        assert torch.equal(transform.decode(encoded), expected)
    by_hand = (encoded.float() * processor.rescale_factor - torch.tensor(processor.image_mean)[:, None, None]) / (
        torch.tensor(processor.image_std)[:, None, None]
    )
    assert torch.equal(expected, by_hand)
