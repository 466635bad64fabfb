"""Outputs of encoder layers: every image counted, every hook removed."""

import pytest
import torch
from clip_files import HIDDEN, make_clip
from safetensors.torch import load_file

from fusion_bench.taskpool.layer_features import LayerFeatures, encoder_layers

PIXELS = torch.rand(10, 3, 16, 16, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def tower():
    return make_clip().vision_model


def hidden_states(tower):
    """What the layers put out, computed layer by layer."""
    with torch.no_grad():
        hidden = tower.pre_layrnorm(tower.embeddings(PIXELS))
        states = []
        for layer in tower.encoder.layers:
            output = layer(hidden, None)
            hidden = output[0] if isinstance(output, tuple) else output
            states.append(hidden)
    return states


@torch.no_grad()
def collect(tower, **kwargs):
    features = LayerFeatures(**kwargs)
    with features.collect(tower):
        for batch in PIXELS.split(4):
            tower(pixel_values=batch)
    return features


@pytest.mark.parametrize("first_token_only", [True, False])
def test_all_images_of_every_layer(tower, first_token_only):
    features = collect(tower, first_token_only=first_token_only).features()
    assert list(features) == [0, 1]
    for index, expected in enumerate(hidden_states(tower)):
        expected = expected[:, 0] if first_token_only else expected
        assert features[index].shape == ((10, HIDDEN) if first_token_only else (10, 5, HIDDEN))
        assert torch.allclose(features[index], expected, atol=1e-5)


@pytest.mark.parametrize("max_num", [1, 4, 6, 10, 99])
def test_the_cap_counts_images(tower, max_num):
    features = collect(tower, max_num=max_num).features()
    everything = collect(tower).features()
    for index in (0, 1):
        assert torch.equal(features[index], everything[index][:max_num])


def test_one_file_a_layer(tower, tmp_path):
    features = collect(tower)
    features.save(tmp_path / "mnist")
    assert sorted(path.name for path in (tmp_path / "mnist").iterdir()) == [
        "layer_0.safetensors",
        "layer_1.safetensors",
    ]
    assert torch.equal(load_file(tmp_path / "mnist" / "layer_1.safetensors")["features"], features.features()[1])


def test_hooks_are_removed_also_when_scoring_fails(tower):
    with pytest.raises(RuntimeError, match="failed"), LayerFeatures().collect(tower):
        raise RuntimeError("failed")
    assert not any(module._forward_hooks for module in tower.modules())


def test_layers_are_those_of_the_vision_tower():
    clip = make_clip()
    assert encoder_layers(clip) == list(clip.vision_model.encoder.layers)
    with pytest.raises(ValueError, match=r"need a model with 'encoder\.layers'; a Linear has none"):
        encoder_layers(torch.nn.Linear(1, 1))


def test_the_cap_is_at_least_one():
    with pytest.raises(ValueError, match="layer_wise_feature_max_num must be at least 1 or null, got 0"):
        LayerFeatures(max_num=0)
