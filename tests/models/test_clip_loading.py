"""Whole CLIP models, tokenizers and image processors from every kind of source, without a network."""

import shutil

import pytest
import torch
from clip_files import IMAGE_SIZE, make_clip, make_images, make_tokenizer
from transformers import CLIPModel, CLIPProcessor

from fusion_bench.models.clip_loading import (
    default_image_processor,
    load_clip_model,
    load_image_processor,
    load_tokenizer,
)

OWNER = "model 'mnist'"


@pytest.mark.usefixtures("no_network")
def test_everything_loads_from_a_directory(tiny_clip_dir):
    model = load_clip_model(tiny_clip_dir, OWNER)
    assert isinstance(model, CLIPModel)
    assert not model.training
    assert torch.equal(model.logit_scale, make_clip().logit_scale)
    assert load_tokenizer(str(tiny_clip_dir), OWNER)("cat")["input_ids"] == make_tokenizer()("cat")["input_ids"]
    assert load_image_processor(tiny_clip_dir, OWNER).crop_size["height"] == IMAGE_SIZE


def test_processor_needs_no_torchvision_and_is_exact(tiny_clip_dir):
    processor = load_image_processor(tiny_clip_dir, OWNER)
    pixels = processor(images=make_images(1, size=IMAGE_SIZE), return_tensors="pt")["pixel_values"]
    assert pixels.shape == (1, 3, IMAGE_SIZE, IMAGE_SIZE)
    assert "Pil" in type(processor).__name__


def test_a_vision_tower_is_no_whole_model(tiny_pool_dir):
    with pytest.raises(ValueError, match=r"model 'mnist': .*holds a 'clip_vision_model', expected a whole CLIP model"):
        load_clip_model(tiny_pool_dir / "mnist", OWNER)


def test_configs_and_live_objects(tiny_clip_dir):
    config = {"_target_": "transformers.CLIPModel.from_pretrained", "pretrained_model_name_or_path": str(tiny_clip_dir)}
    assert isinstance(load_clip_model(config, OWNER), CLIPModel)
    model = make_clip()
    assert load_clip_model(model, OWNER) is model
    with pytest.raises(TypeError, match=r"model 'mnist' is a CLIPVisionModel, expected a CLIPModel"):
        load_clip_model(model.vision_model, OWNER)


def test_live_processors_are_copied(tiny_clip_dir):
    image_processor = default_image_processor(IMAGE_SIZE)
    both = CLIPProcessor(image_processor=image_processor, tokenizer=make_tokenizer())
    assert load_image_processor(both, OWNER) is not image_processor
    assert load_image_processor(both, OWNER).size == image_processor.size
    assert load_tokenizer(both, OWNER) is both.tokenizer


def test_a_damaged_or_incomplete_model_is_named(tiny_clip_dir, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(tiny_clip_dir, copy)
    path = copy / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"model 'mnist': .*truncated"):
        load_clip_model(copy, OWNER)
    make_clip().vision_model.save_pretrained(tmp_path / "tower")
    shutil.copy(tiny_clip_dir / "config.json", tmp_path / "tower" / "config.json")
    with pytest.raises(ValueError, match=r"lacks \d+ tensors of a CLIP model, such as"):
        load_clip_model(tmp_path / "tower", OWNER)


def test_no_tokenizer_no_processor(tiny_pool_dir, caplog):
    with pytest.raises(FileNotFoundError, match=r"has no tokenizer; looked for tokenizer\.json"):
        load_tokenizer(tiny_pool_dir / "mnist", OWNER)
    processor = load_image_processor(tiny_pool_dir / "mnist", OWNER)
    assert processor.crop_size["height"] == IMAGE_SIZE
    assert "using CLIP's own preprocessing at 16 pixels" in caplog.text
