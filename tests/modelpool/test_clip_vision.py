"""The pool of CLIP vision towers: directories, configs and live modules through every method."""

import copy
import json
import pickle
import shutil

import pytest
import torch
from clip_files import DIM, HIDDEN, IMAGE_SIZE, PATCH_SIZE, make_clip
from helpers import same_tensors
from oracle_files import ORACLE
from safetensors.torch import load_file, save_file
from transformers import CLIPModel, CLIPVisionConfig, CLIPVisionModel, CLIPVisionModelWithProjection

from fusion_bench.functional.params import LazyParams
from fusion_bench.modelpool.base_pool import BaseModelPool
from fusion_bench.modelpool.clip_vision import CLIPVisionModelPool
from fusion_bench.models.clip_loading import default_image_processor
from fusion_bench.models.mapped import MappedTensors

NAMES = ["mnist", "digits", "letters"]
SEEDS = {"_pretrained_": 0, "mnist": 1, "digits": 2, "letters": 3}


@pytest.fixture
def paths(tiny_pool_dir):
    return {"_pretrained_": str(tiny_pool_dir / "base"), **{name: str(tiny_pool_dir / name) for name in NAMES}}


@pytest.fixture
def pool(paths):
    return CLIPVisionModelPool(paths)


@pytest.fixture
def live_pool():
    """The same models in memory, in every form that holds a tower."""
    projected = make_clip(2)
    config = CLIPVisionConfig(**{**projected.config.vision_config.to_dict(), "projection_dim": DIM})
    digits = CLIPVisionModelWithProjection(config)
    digits.vision_model.load_state_dict(projected.vision_model.state_dict())
    return CLIPVisionModelPool(
        {
            "_pretrained_": make_clip(0),
            "mnist": make_clip(1).vision_model.train(),
            "digits": digits,
            "letters": make_clip(3).vision_model,
        }
    )


@pytest.fixture
def config_pool(paths):
    target = "transformers.CLIPVisionModel.from_pretrained"
    return CLIPVisionModelPool(
        {name: {"_target_": target, "pretrained_model_name_or_path": path} for name, path in paths.items()}
    )


@pytest.fixture(params=["pool", "live_pool", "config_pool"])
def any_pool(request):
    return request.getfixturevalue(request.param)


def tower(seed):
    state = make_clip(seed).vision_model.state_dict()
    return {name.removeprefix("vision_model."): tensor for name, tensor in state.items()}


@pytest.mark.usefixtures("no_network")
def test_params_are_canonical_in_model_order_whatever_the_source(any_pool):
    for name, seed in SEEDS.items():
        params = any_pool.load_params(name)
        assert list(params) == list(tower(seed))
        assert same_tensors(params, tower(seed))


@pytest.mark.usefixtures("no_network")
def test_load_model_is_a_fresh_tower(any_pool):
    for name, seed in SEEDS.items():
        model, again = any_pool.load_model(name), any_pool.load_model(name)
        assert isinstance(model, CLIPVisionModel)
        assert model.dtype == torch.float32
        assert same_tensors(model.state_dict(), tower(seed))
        assert not {p.data_ptr() for p in model.parameters()} & {p.data_ptr() for p in again.parameters()}
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.zero_()
        assert same_tensors(any_pool.load_params(name), tower(seed))


@pytest.mark.usefixtures("no_network")
def test_every_method_works_for_every_source(any_pool, tmp_path):
    any_pool.check(NAMES, needs_pretrained=True)
    assert any_pool.linear_weight_names()[0].startswith("encoder.layers.0.self_attn.")
    assert len(any_pool.linear_weight_names()) == 12
    prints = any_pool.fingerprints(NAMES)
    assert list(prints) == ["_pretrained_", *NAMES]
    assert len(set(prints.values())) == 4
    assert any_pool.fingerprints(NAMES) == prints
    assert any_pool.load_processor().crop_size["height"] == IMAGE_SIZE
    params = any_pool.load_params("mnist")
    assert same_tensors(any_pool.build_model(params).state_dict(), tower(1))
    any_pool.save_params(params, tmp_path / "out")
    assert same_tensors(CLIPVisionModelPool([str(tmp_path / "out")]).load_params("0"), tower(1))
    assert len(list(any_pool.models())) == 3


def test_params_of_a_directory_are_memory_mapped(pool, paths):
    params = pool.load_params("mnist")
    assert isinstance(params, MappedTensors)
    before = {path: load_file(f"{path}/model.safetensors") for path in paths.values()}
    for name in pool.all_model_names:
        for tensor in pool.load_params(name).values():
            tensor.zero_()
    assert all(same_tensors(load_file(f"{path}/model.safetensors"), state) for path, state in before.items())
    assert same_tensors(pool.load_params("mnist"), tower(1))


def test_in_memory_models_are_never_changed(live_pool):
    before = {name: copy.deepcopy(live_pool.get_model_config(name)) for name in live_pool.all_model_names}
    live_pool.check(NAMES)
    live_pool.fingerprints(NAMES)
    for name in live_pool.all_model_names:
        live_pool.load_model(name).train().to(torch.float64)
        live_pool.build_model(live_pool.load_params(name)).to(torch.float64)
    for name, model in before.items():
        now = live_pool.get_model_config(name)
        assert same_tensors(now.state_dict(), model.state_dict())
        assert [module.training for module in now.modules()] == [module.training for module in model.modules()]
        assert now.config.to_dict() == model.config.to_dict()
    assert live_pool.has_instance_models


@pytest.mark.parametrize("layout", ["prefixed", "legacy", "sharded", "position_ids", "whole"])
def test_layouts_of_checkpoints(tiny_pool_dir, tmp_path, layout):
    directory = tmp_path / "model"
    shutil.copytree(tiny_pool_dir / "mnist", directory)
    (directory / "model.safetensors").unlink()
    state = tower(1)
    prefixed = {f"vision_model.{name}": tensor for name, tensor in state.items()}
    if layout == "legacy":
        torch.save(
            {**prefixed, "vision_model.embeddings.position_ids": torch.arange(5)}, directory / "pytorch_model.bin"
        )
    elif layout == "sharded":
        make_clip(1).vision_model.save_pretrained(directory, max_shard_size="20KB")
        assert (directory / "model.safetensors.index.json").exists()
    elif layout == "whole":
        shutil.rmtree(directory)
        make_clip(1).save_pretrained(directory)
    else:
        extra = {"embeddings.position_ids": torch.arange(5)} if layout == "position_ids" else {}
        save_file({**(prefixed if layout == "prefixed" else state), **extra}, directory / "model.safetensors")
    pool = CLIPVisionModelPool({"mnist": directory, "digits": str(tiny_pool_dir / "digits")})
    assert same_tensors(pool.load_params("mnist"), state)
    pool.check(["mnist", "digits"])
    assert same_tensors(pool.load_model("mnist").state_dict(), state)
    assert len(pool.fingerprints(["mnist"])["mnist"]) == 64


def test_half_precision_stays(tmp_path):
    make_clip(1).vision_model.bfloat16().save_pretrained(tmp_path / "half")
    pool = CLIPVisionModelPool([tmp_path / "half"])
    assert pool.load_model("0").dtype == torch.bfloat16
    pool.save_params(pool.load_params("0"), tmp_path / "out")
    assert json.loads((tmp_path / "out" / "config.json").read_text())["dtype"] == "bfloat16"
    assert CLIPVisionModel.from_pretrained(tmp_path / "out").dtype == torch.bfloat16


def test_saved_params_load_with_transformers_without_missing_keys(pool, tmp_path):
    params = pool.load_params("letters")
    pool.save_params(LazyParams(params, lambda name: params[name] * 2), tmp_path / "out")
    loaded, report = CLIPVisionModel.from_pretrained(tmp_path / "out", output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    assert same_tensors(loaded.state_dict(), {name: 2 * tensor for name, tensor in tower(3).items()})
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "config.json",
        "model.safetensors",
        "preprocessor_config.json",
    }
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_save_params_builds_no_module(pool, tmp_path, monkeypatch):
    pool.linear_weight_names()
    monkeypatch.setattr(CLIPVisionModel, "__init__", lambda *args: pytest.fail("built a module"))
    pool.save_params(pool.load_params("mnist"), tmp_path / "out")


def test_an_interrupted_save_leaves_nothing(pool, tmp_path):
    params = pool.load_params("mnist")

    def make(name):
        if name.startswith("post_layernorm"):
            raise KeyboardInterrupt
        return params[name]

    with pytest.raises(KeyboardInterrupt):
        pool.save_params(LazyParams(params, make), tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_agrees_with_transformers_on_the_oracle():
    names = ["_pretrained_", "task_a", "task_b", "task_c", "task_d"]
    pool = CLIPVisionModelPool({name: str(ORACLE / name) for name in names})
    pool.check(pool.model_names, needs_pretrained=True)
    for name in names:
        expected = CLIPVisionModel.from_pretrained(ORACLE / name)
        assert same_tensors(pool.load_model(name).state_dict(), expected.state_dict())


def test_whole_clip_models(pool, live_pool):
    for each in (pool, live_pool):
        clip, again = each.load_clip_model("_pretrained_"), each.load_clip_model("_pretrained_")
        assert isinstance(clip, CLIPModel)
        assert clip is not again
        assert torch.equal(clip.text_projection.weight, make_clip(0).text_projection.weight)
    with pytest.raises(ValueError, match=r"model 'mnist': .*holds a 'clip_vision_model', expected a whole CLIP"):
        pool.load_clip_model("mnist")
    with pytest.raises(TypeError, match="model 'mnist' is a CLIPVisionModel, expected a CLIPModel"):
        live_pool.load_clip_model("mnist")


def test_processors(paths, tiny_clip_dir):
    live = default_image_processor(12)
    pool = CLIPVisionModelPool(paths, processor=live)
    assert pool.load_processor() is not live
    assert pool.load_processor().crop_size["height"] == 12
    assert CLIPVisionModelPool(paths, processor=str(tiny_clip_dir)).load_processor().crop_size["height"] == IMAGE_SIZE


@pytest.mark.parametrize(
    ("kwargs", "field"), [({"hidden": 2 * HIDDEN}, "hidden_size"), ({"patch_size": 2 * PATCH_SIZE}, "patch_size")]
)
def test_check_names_model_and_field(paths, tmp_path, kwargs, field):
    make_clip(5, **kwargs).vision_model.save_pretrained(tmp_path / "other")
    pool = CLIPVisionModelPool({**paths, "other": str(tmp_path / "other")})
    with pytest.raises(ValueError, match=rf"model 'other': {field} is \d+, expected \d+ as in '_pretrained_'"):
        pool.check(["mnist", "other"])


def test_check_names_a_damaged_file_and_nan(paths, tmp_path):
    shutil.copytree(paths["mnist"], tmp_path / "bad")
    path = tmp_path / "bad" / "model.safetensors"
    content = path.read_bytes()
    path.write_bytes(content[:1000])
    pool = CLIPVisionModelPool({**paths, "bad": str(tmp_path / "bad")})
    with pytest.raises(ValueError, match=rf"model 'bad': {path} is truncated.*it has 1000"):
        pool.check(pool.model_names)
    state = tower(1)
    state["post_layernorm.bias"][3] = float("nan")
    save_file(state, path)
    with pytest.raises(ValueError, match=r"model 'bad': tensor 'post_layernorm.bias' has 1 of 32 entries that are NaN"):
        pool.check(pool.model_names)


def test_check_says_when_there_is_no_pretrained_model(paths):
    pool = CLIPVisionModelPool({"mnist": paths["mnist"]})
    with pytest.raises(ValueError, match="needs the pretrained model under the name '_pretrained_'"):
        pool.check(["mnist"], needs_pretrained=True)


def test_fingerprints_follow_the_files(paths, tmp_path):
    shutil.copytree(paths["mnist"], tmp_path / "copy")
    pool = CLIPVisionModelPool({"original": paths["mnist"], "copy": str(tmp_path / "copy")})
    before = pool.fingerprints(["original", "copy"])
    assert before["original"] == before["copy"]
    config = tmp_path / "copy" / "config.json"
    config.write_text(config.read_text().replace("quick_gelu", "gelu"))
    after = pool.fingerprints(["original", "copy"])
    assert after["original"] == before["original"]
    assert after["copy"] != before["copy"]


def test_platform_and_cache_dir_survive_the_yaml_round_trip(paths, tmp_path):
    pool = CLIPVisionModelPool(paths, processor=paths["_pretrained_"], cache_dir=tmp_path / "cache")
    pool.to_yaml(tmp_path / "pool.yaml")
    again = BaseModelPool.from_yaml(tmp_path / "pool.yaml")
    assert isinstance(again, CLIPVisionModelPool)
    assert again.config == pool.config
    assert again.config.platform == "hf"
    assert again.config.cache_dir == str(tmp_path / "cache")
    assert same_tensors(again.load_params("mnist"), tower(1))


def test_an_unknown_platform_is_an_error(paths):
    with pytest.raises(ValueError, match=r"platform must be 'hf'.*got 'modelscope'"):
        CLIPVisionModelPool(paths, platform="modelscope")


def test_cache_dir_has_an_effect(monkeypatch, paths, tmp_path):
    asked = []

    def download(repository, *, repo_type, allow_patterns, cache_dir, local_files_only=False):
        assert repo_type == "model"
        if local_files_only:
            raise FileNotFoundError("not here")
        asked.append((repository, cache_dir))
        return paths["mnist"]

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    pool = CLIPVisionModelPool({"mnist": "someone/model"}, cache_dir=tmp_path)
    assert same_tensors(pool.load_params("mnist"), tower(1))
    assert same_tensors(pool.load_model("mnist").state_dict(), tower(1))
    assert asked == [("someone/model", tmp_path)]  # asked once, whatever is loaded afterwards
    assert pool.get_model_path("mnist") == "someone/model"


def test_base_model_stands_for_the_pretrained_model(paths):
    pool = CLIPVisionModelPool({"mnist": paths["mnist"]}, base_model=paths["_pretrained_"])
    assert pool.all_model_names == ["_pretrained_", "mnist"]
    assert same_tensors(pool.load_params("_pretrained_"), tower(0))
    given = CLIPVisionModelPool({"_pretrained_": paths["mnist"]}, base_model=paths["_pretrained_"])
    assert given.get_model_path("_pretrained_") == paths["mnist"]


def test_entries_may_be_mappings_with_a_path(paths):
    pool = CLIPVisionModelPool({"a": {"pretrained_model_name_or_path": paths["mnist"]}, "b": {"path": paths["mnist"]}})
    assert isinstance(pool.load_params("a"), MappedTensors)
    assert pool.get_model_path("b") == paths["mnist"]


def test_names_that_do_not_exist(pool):
    with pytest.raises(KeyError, match=r"no model 'mnst' in this pool.*did you mean 'mnist'"):
        pool.load_params("mnst")
    with pytest.raises(FileNotFoundError, match=r"model 'x': there is no directory \./missing"):
        CLIPVisionModelPool({"x": "./missing"}).load_params("x")


def test_other_modules_are_refused():
    pool = CLIPVisionModelPool({"x": torch.nn.Linear(2, 2)})
    with pytest.raises(TypeError, match="model 'x' is a Linear, expected a CLIPVisionModel or a CLIPModel"):
        pool.load_params("x")


def test_can_be_pickled(pool):
    pool.check(NAMES)
    pool.fingerprints(NAMES)
    again = pickle.loads(pickle.dumps(pool))
    assert same_tensors(again.load_params("mnist"), pool.load_params("mnist"))
