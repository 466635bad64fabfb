"""Configurations read from directories and modules, and what is said when two differ."""

import pytest
import torch
from clip_files import HIDDEN, make_clip

from fusion_bench.models.clip_config import compare_configs, read_vision_config, vision_config_of

OWNER = "model 'mnist'"


@pytest.fixture(scope="module")
def clip():
    return make_clip()


def test_reads_the_configuration_of_towers_and_whole_models(tiny_clip_dir, tiny_pool_dir, tmp_path):
    for directory in (tiny_clip_dir, tiny_pool_dir / "mnist"):
        assert read_vision_config(directory, OWNER).hidden_size == HIDDEN
    with pytest.raises(FileNotFoundError, match=r"model 'mnist': .*config\.json does not exist"):
        read_vision_config(tmp_path, OWNER)
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(ValueError, match="describes a 'bert', expected 'clip_vision_model' or 'clip'"):
        read_vision_config(tmp_path, OWNER)
    (tmp_path / "config.json").write_text("[]")
    with pytest.raises(ValueError, match="holds a list, expected a JSON object"):
        read_vision_config(tmp_path, OWNER)


def test_configuration_of_live_modules(clip):
    assert vision_config_of(clip, OWNER) is clip.config.vision_config
    with pytest.raises(TypeError, match=r"model 'mnist' is a Linear, expected a CLIPVisionModel or a CLIPModel"):
        vision_config_of(torch.nn.Linear(1, 1), OWNER)


def test_names_the_field_that_differs(clip):
    other = make_clip(hidden=HIDDEN * 2).config.vision_config
    with pytest.raises(ValueError, match=r"model 'mnist': hidden_size is 64, expected 32 as in '_pretrained_'"):
        compare_configs(OWNER, other, "_pretrained_", clip.config.vision_config)
