"""Names of the vision tower, and modules built around given tensors."""

import pytest
import torch
from clip_files import make_clip
from transformers import CLIPVisionModel

from fusion_bench.models.clip_vision import VisionArchitecture, tower_names

OWNER = "model 'mnist'"


@pytest.fixture(scope="module")
def clip():
    return make_clip()


@pytest.fixture(scope="module")
def architecture(clip):
    return VisionArchitecture(clip.config.vision_config)


@pytest.fixture(scope="module")
def params(clip):
    return {name.removeprefix("vision_model."): tensor for name, tensor in clip.vision_model.state_dict().items()}


@pytest.mark.parametrize("layout", ["bare", "prefixed", "whole", "with_position_ids"])
def test_every_layout_gives_the_same_tensors_in_model_order(clip, architecture, params, layout):
    stored = {
        "bare": params,
        "prefixed": {f"vision_model.{name}": tensor for name, tensor in reversed(params.items())},
        "whole": clip.state_dict(),
        "with_position_ids": {**params, "embeddings.position_ids": torch.arange(5)},
    }[layout]
    selected = architecture.select(stored, OWNER)
    assert list(selected) == list(architecture.module_names) == list(params)
    assert all(torch.equal(selected[name], params[name]) for name in params)


def test_names_what_is_missing_and_what_is_too_much(architecture, params):
    with pytest.raises(ValueError, match=r"model 'mnist' lacks the tensor 'post_layernorm.bias'"):
        architecture.select({name: params[name] for name in params if name != "post_layernorm.bias"}, OWNER)
    with pytest.raises(ValueError, match=r"model 'mnist' has a tensor 'adapter.weight'"):
        architecture.select({**params, "adapter.weight": torch.zeros(1)}, OWNER)


def test_a_text_tower_is_no_vision_tower(clip, architecture):
    with pytest.raises(ValueError, match=r"model 'mnist' lacks the tensor 'embeddings.class_embedding'"):
        architecture.select(clip.text_model.state_dict(), OWNER)


def test_build_holds_copies_and_computes_the_same(clip, architecture, params):
    before = {name: tensor.clone() for name, tensor in params.items()}
    model = architecture.build(params)
    assert isinstance(model, CLIPVisionModel)
    assert not model.training
    assert all(parameter.requires_grad and not parameter.is_meta for parameter in model.parameters())
    pixels = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(model(pixels).pooler_output, clip.vision_model(pixels).pooler_output)
        for parameter in model.parameters():
            parameter.zero_()
    assert all(torch.equal(params[name], before[name]) for name in params)


def test_two_builds_share_nothing(architecture, params):
    first, second = architecture.build(params), architecture.build(params)
    assert not {p.data_ptr() for p in first.parameters()} & {p.data_ptr() for p in second.parameters()}
    assert first.config is not second.config


def test_build_keeps_the_dtype(architecture, params):
    model = architecture.build({name: tensor.bfloat16() for name, tensor in params.items()})
    assert model.dtype == model.config.dtype == torch.bfloat16
    assert model.embeddings.position_ids.tolist() == [[0, 1, 2, 3, 4]]


def test_build_names_what_does_not_fit(architecture, params):
    with pytest.raises(ValueError, match=r"missing 'post_layernorm\.bias', unknown none"):
        architecture.build({name: params[name] for name in params if name != "post_layernorm.bias"})
    with pytest.raises(ValueError, match=r"size mismatch for post_layernorm\.bias"):
        architecture.build({**params, "post_layernorm.bias": torch.zeros(7)})


def test_builds_for_a_version_that_uses_the_prefix(monkeypatch, architecture, params):
    """In some versions of transformers the module calls its parts ``vision_model.…``."""

    class Prefixed(torch.nn.Module):
        def __init__(self, config):
            super().__init__()
            self.config = config
            self.vision_model = CLIPVisionModel(config)

    prefixed = VisionArchitecture(architecture.config)
    with torch.device("meta"):
        prefixed.__dict__["skeleton"] = Prefixed(architecture.config)
    assert list(prefixed.module_names) == list(params)
    assert prefixed.linear_weight_names == architecture.linear_weight_names
    model = prefixed.build(params)
    assert torch.equal(model.vision_model.post_layernorm.bias, params["post_layernorm.bias"])
    assert not model.vision_model.embeddings.position_ids.is_meta
    assert set(prefixed.stored(params)) == {f"vision_model.{name}" for name in params}


def test_linear_weights_are_those_of_linear_modules(architecture):
    names = architecture.linear_weight_names
    assert len(names) == 2 * 6
    assert "encoder.layers.0.mlp.fc1.weight" in names
    assert "embeddings.position_embedding.weight" not in names


def test_only_prefixed_names_count_where_there_are_any():
    assert tower_names(["vision_model.a", "text_model.a", "logit_scale"]) == {"a": "vision_model.a"}
    assert tower_names(["a", "b.c"]) == {"a": "a", "b.c": "b.c"}
