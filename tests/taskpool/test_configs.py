"""The shipped configs: they compose, name every argument with its default, and build."""

import inspect

import pytest
from hydra import compose, initialize_config_module
from hydra.utils import get_class, instantiate
from omegaconf import OmegaConf

from fusion_bench.dataset.loading import load_image_classification
from fusion_bench.dataset.task import check_entry

TA8 = ["sun397", "stanford-cars", "resisc45", "eurosat", "svhn", "gtsrb", "mnist", "dtd"]
INDIVIDUAL = "modelpool=CLIPVisionModelPool/clip-vit-base-patch32_individual"


@pytest.fixture(autouse=True)
def _configs(monkeypatch):
    monkeypatch.setenv("FUSION_BENCH_CACHE_DIR", "somewhere")
    for name in ("FUSION_BENCH_PROJECT_ROOT", "FUSION_BENCH_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)
    with initialize_config_module("fusion_bench_config", version_base="1.3"):
        yield


def composed(*overrides):
    return compose("fabric_model_fusion", overrides=[INDIVIDUAL, *overrides])


@pytest.mark.parametrize(
    "override",
    [
        INDIVIDUAL,
        "modelpool=CLIPVisionModelPool/clip-vit-base-patch32_TA8",
        "modelpool=CLIPVisionModelPool/clip-vit-base-patch32_TA8_model_only",
        "taskpool=CLIPVisionModelTaskPool/clip-vit-single-task_mnist",
        "taskpool=dummy",
        "modelpool=CLIPVisionModelPool/clip-vit-tiny_tiny8",
        "modelpool=CLIPVisionModelPool/clip-vit-tiny_tiny8_individual",
        "taskpool=CLIPVisionModelTaskPool/clip-vit-classification_tiny8",
        "taskpool=CLIPVisionModelTaskPool/clip-vit-classification_tiny8_val",
        "taskpool=CLIPVisionModelTaskPool/clip-vit-single-task_tiny8_mnist",
        "modelpool=ImageClassificationModelPool/_template",
        "taskpool=ImageClassificationTaskPool/_template",
    ],
)
def test_every_argument_is_a_key_with_its_default(override):
    config = composed(override)[override.partition("=")[0]]
    parameters = inspect.signature(get_class(config._target_)).parameters
    assert set(config) - {"_target_"} == set(parameters)
    own = {"models", "base_model", "test_datasets", "train_datasets", "val_datasets"}
    own |= {"processor", "clip_model", "dataloader_kwargs"}
    places = {"cache_dir": "somewhere", "model_dir": "./models", "data_dir": "./data"}
    for name in set(parameters) - own - set(places):
        assert config[name] == parameters[name].default, name
    assert all(config[name] == place for name, place in places.items() if name in config)
    built = instantiate(config, _recursive_=False)
    assert built.config.items() >= {"_target_": built.config["_target_"]}.items()


def test_base_model_is_the_checkpoint_to_score():
    pool = composed("modelpool.base_model=checkpoints/mine").modelpool
    assert pool.models == {"_pretrained_": "checkpoints/mine"}


def test_the_eight_tasks_in_their_order():
    config = composed("modelpool=CLIPVisionModelPool/clip-vit-base-patch32_TA8").modelpool
    assert list(config.models) == ["_pretrained_", *TA8]
    assert config.models._pretrained_ == "openai/clip-vit-base-patch32"
    assert all(config.models[task] == f"tanganke/clip-vit-base-patch32_{task}" for task in TA8)
    for split in ("train", "test"):
        data = config[f"{split}_datasets"]
        assert list(data) == TA8
        for entry in data.values():
            arguments = {key: value for key, value in OmegaConf.to_container(entry).items() if key != "_target_"}
            inspect.signature(load_image_classification).bind(**arguments)
            assert entry.split == split
            assert entry.cache_dir == "somewhere"
    only = composed("modelpool=CLIPVisionModelPool/clip-vit-base-patch32_TA8_model_only").modelpool
    assert only.models == config.models
    assert only.test_datasets is None


TINY8 = ["emoji", "style", "clipart", "letters", "scripts", "fashion", "mnist", "digits"]


def test_the_suite_that_ships_with_the_package_is_the_default():
    config = compose("fabric_model_fusion")
    models, tasks = config.modelpool.models, config.taskpool.test_datasets
    assert models == {"_pretrained_": "tiny8/clip-vit-tiny", **{task: f"tiny8/clip-vit-tiny_{task}" for task in TINY8}}
    assert config.taskpool.base_model == "tiny8/clip-vit-tiny"
    assert list(tasks) == TINY8
    for split in ("train", "val", "test"):
        assert list(config.modelpool[f"{split}_datasets"]) == TINY8
    validation = composed("taskpool=CLIPVisionModelTaskPool/clip-vit-classification_tiny8_val").taskpool.test_datasets
    for task in TINY8:
        entry = {"dataset": {"path": f"tiny8/{task}", "split": "test"}, "classnames": f"tiny8/{task}"}
        assert tasks[task] == entry
        alone = composed(f"taskpool=CLIPVisionModelTaskPool/clip-vit-single-task_tiny8_{task}").taskpool
        assert (alone.base_model, alone.test_datasets) == ("tiny8/clip-vit-tiny", {task: entry})
        assert validation[task] == {**entry, "dataset": {**entry["dataset"], "split": "validation"}}
        check_entry(task, tasks[task])


def test_one_key_changes_the_backbone_of_a_task_pool():
    config = composed("taskpool=CLIPVisionModelTaskPool/clip-vit-single-task_mnist", "taskpool.base_model=a/b").taskpool
    assert config.clip_model == config.processor == "a/b"
    check_entry("mnist", config.test_datasets.mnist)
