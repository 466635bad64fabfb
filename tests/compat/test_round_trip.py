"""Every class of the project that has a configuration is rebuilt exactly by it."""

from pathlib import Path

import pytest
import yaml

from fusion_bench.modelpool import BaseModelPool, CLIPVisionModelPool
from fusion_bench.taskpool import CLIPVisionModelTaskPool, DummyTaskPool
from fusion_bench.utils.configurable import build, locate, parameter_names

METHODS = sorted((Path(__file__).parents[2] / "config" / "method").rglob("*.yaml"))
MODELS = {"_pretrained_": "base", "a": {"_target_": "torch.nn.Linear", "in_features": 2, "out_features": 2}}
DATA = {"a": {"dataset": {"path": "somewhere", "split": "val"}, "classnames": ["x", "y"], "templates": ["a {}"]}}
POOLS = [
    BaseModelPool(MODELS, train_datasets={"a": {"path": "x"}}, val_datasets=DATA, test_datasets=DATA),
    BaseModelPool(["one", "two"]),
    CLIPVisionModelPool(MODELS, processor="base", platform="hf", cache_dir=Path("cache"), test_datasets=DATA),
    DummyTaskPool(),
    CLIPVisionModelTaskPool(
        DATA,
        base_model="base",
        dataloader_kwargs={"batch_size": 3},
        layer_wise_feature_save_path="features",
        layer_wise_feature_first_token_only=False,
        layer_wise_feature_max_num=5,
        fast_dev_run=True,
        move_to_device=False,
    ),
]


@pytest.mark.parametrize("pool", POOLS, ids=lambda pool: type(pool).__name__)
def test_a_pool_is_rebuilt_with_every_argument(pool, tmp_path):
    pool.to_yaml(tmp_path / "pool.yaml")
    rebuilt = type(pool).from_yaml(tmp_path / "pool.yaml")
    assert rebuilt.config == pool.config
    assert set(pool.config) == {"_target_", *parameter_names(type(pool))[0]}


@pytest.mark.parametrize("path", METHODS, ids=lambda path: path.stem)
def test_a_method_is_rebuilt_with_every_key_of_its_file(path, tmp_path):
    entries = yaml.safe_load(path.read_text(encoding="utf-8"))
    changed = {key: _another(key, value) for key, value in entries.items()}
    method = build(changed)
    method.to_yaml(tmp_path / "method.yaml")
    rebuilt = type(method).from_yaml(tmp_path / "method.yaml")
    assert rebuilt == method if type(method).__eq__ is not object.__eq__ else rebuilt.config == method.config
    assert {key: value for key, value in method.config_dict().items() if key != "_target_"} == {
        key: value for key, value in changed.items() if key != "_target_"
    }
    assert locate(method.config_dict()["_target_"]) is locate(entries["_target_"])


def _another(key, value):
    """A value that differs from the default where any value of the type will do."""
    special = {"weights": [1.0, 2.0], "evaluate": "diagonal", "order": ["b", "a"], "seed": 3, "merge_func": "max"}
    special["remove_keys"] = ["x.weight"]
    if key in special:
        return special[key]
    if isinstance(value, bool):
        return not value
    return value / 2 if isinstance(value, float) else value
