"""The base pool: names, loading, what is never shared, and its errors."""

import pytest
import torch
from helpers import make_model, make_models, same_tensors
from oracle_files import ORACLE
from torch import nn

from fusion_bench.modelpool.base_pool import BaseModelPool, as_modelpool


def test_names():
    pool = BaseModelPool(make_models())
    assert pool.model_names == ["a", "b", "c", "d"]
    assert pool.all_model_names == ["_pretrained_", "a", "b", "c", "d"]
    assert (len(pool), "a" in pool, "_pretrained_" in pool, "x" in pool) == (4, True, True, False)
    assert pool.has_pretrained
    assert pool.has_instance_models
    assert pool.is_special_model("_merged_")
    assert not pool.is_special_model("a")


def test_a_list_is_numbered():
    pool = as_modelpool([make_model(0), make_model(1)])
    assert pool.model_names == ["0", "1"]
    assert as_modelpool(pool) is pool
    assert not pool.has_pretrained
    assert same_tensors(pool.load_pretrained_or_first_model().state_dict(), make_model(0).state_dict())


def test_nothing_is_handed_out_twice():
    models = make_models()
    pool = BaseModelPool(models)
    first, second = pool.load_model("a"), pool.load_model("a")
    assert first is not second
    assert first is not models["a"]
    with torch.no_grad():
        first[0].weight.zero_()
    assert same_tensors(second.state_dict(), models["a"].state_dict())
    assert [name for name, _ in pool.named_models()] == ["a", "b", "c", "d"]
    assert len(list(pool.models())) == 4


def test_loading_is_lazy():
    pool = BaseModelPool({"a": {"_target_": "helpers.make_model", "seed": 4}, "b": {"_target_": "nowhere.Nothing"}})
    assert pool.model_names == ["a", "b"]
    assert not pool.has_instance_models
    assert same_tensors(pool.load_model("a").state_dict(), make_model(4).state_dict())
    assert isinstance(pool.load_model({"_target_": "torch.nn.Identity"}), nn.Identity)


def test_a_path_is_an_hf_model(tmp_path):
    model = BaseModelPool({"a": str(ORACLE / "task_a")}).load_model("a")
    assert type(model).__name__ == "CLIPVisionModel"
    with pytest.raises(FileNotFoundError, match=r"model 'a': there is no directory .*nowhere"):
        BaseModelPool({"a": str(tmp_path / "nowhere")}).load_model("a")


def test_errors_name_what_there_is():
    pool = BaseModelPool({"digits": make_model(0)})
    with pytest.raises(KeyError, match=r"no model 'digit' in this pool; it has \['digits'\]; did you mean 'digits'"):
        pool.load_model("digit")
    with pytest.raises(KeyError, match="no model '_pretrained_'"):
        pool.load_pretrained_model()
    with pytest.raises(ValueError, match="already has a model 'digits'"):
        pool.add_model("digits", make_model(1))
    with pytest.raises(TypeError, match="models must be a mapping or a list, got int"):
        BaseModelPool(3)
    with pytest.raises(TypeError, match="builds a dict, not a torch module"):
        BaseModelPool({"a": {"_target_": "builtins.dict"}}).load_model("a")
    with pytest.raises(ValueError, match="was not given by path but as Sequential"):
        pool.get_model_path("digits")
    with pytest.raises(KeyError, match="no test data set 'digits'"):
        pool.load_test_dataset("digits")


def test_data_sets_are_built_on_demand():
    sets = {"a": {"_target_": "builtins.list"}, "b": [1]}
    pool = BaseModelPool({}, train_datasets=sets, val_datasets=sets, test_datasets=sets)
    assert pool.load_train_dataset("a") == []
    assert pool.load_val_dataset("b") == [1]
    assert pool.load_test_dataset("b") == [1]


def test_added_models_and_configs():
    pool = BaseModelPool({"a": "some/id"})
    pool.add_model("b", {"pretrained_model_name_or_path": "other/id", "_target_": "x.Y"})
    assert (pool.get_model_path("a"), pool.get_model_path("b")) == ("some/id", "other/id")
    assert pool.get_model_config("a") == "some/id"


def test_params_of_a_merged_model_make_a_model_and_a_file(tmp_path):
    models = make_models()
    pool = BaseModelPool(models)
    params = {name: tensor * 2 for name, tensor in pool.load_params("a").items()}
    built = pool.build_model(params)
    assert same_tensors(built.state_dict(), params)
    pool.save_params(params, tmp_path / "merged")
    from safetensors.torch import load_file

    assert same_tensors(load_file(tmp_path / "merged" / "model.safetensors"), params)
    assert pool.linear_weight_names() == ("0.weight", "2.weight")


def test_fingerprints_change_with_a_single_bit():
    models = make_models(["a", "b"])
    before = BaseModelPool(models).fingerprints(["a", "b"])
    with torch.no_grad():
        models["b"][0].bias[0] = torch.nextafter(models["b"][0].bias[0], torch.tensor(9.0))
    after = BaseModelPool(models).fingerprints(["a", "b"])
    assert after["a"] == before["a"]
    assert after["b"] != before["b"]
