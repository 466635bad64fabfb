"""Checks of a composed configuration that need nothing heavy."""

import pytest
from omegaconf import OmegaConf

from fusion_bench.cli.checks import check_config


def make_config(**changes):
    config = {
        "seed": None,
        "fast_dev_run": False,
        "dry_run": False,
        "resume": False,
        "print_config": True,
        "print_function_call": True,
        "method": {"order": None},
        "modelpool": {"models": {"_pretrained_": "p", "a": "x", "b": "y"}},
        "taskpool": {"test_datasets": {"a": 1, "b": 2}, "tasks": None},
        "fabric": {"loggers": {"_target_": "lightning.fabric.loggers.CSVLogger", "version": None}},
    }
    return OmegaConf.merge(config, changes)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"method": {"order": ["b", "a"]}},
        {"method": {"order": "model_names.json"}},
        {"taskpool": {"tasks": ["b"]}},
        {"taskpool": None},
        {"modelpool": {"models": None}},
        {"fabric": {"loggers": None}},
        {"fabric": {"loggers": {"version": "final"}}},
        {"fabric": {"loggers": {"version": 0}}},
    ],
)
def test_accepts(changes):
    check_config(make_config(**changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"method": {"order": ["a", "bb"]}}, r"method.order: no 'bb'; did you mean 'b'\?"),
        ({"method": {"order": ["_pretrained_"]}}, "method.order: no '_pretrained_'; models of the pool: a, b"),
        ({"method": {"order": ["a", "a"]}}, "method.order: 'a' is named twice"),
        ({"taskpool": {"tasks": ["c"]}}, "taskpool.tasks: no 'c'; tasks of the pool: a, b"),
        ({"seed": "one"}, "seed must be an integer or null, got 'one'"),
        ({"seed": True}, "seed must be an integer or null, got True"),
        ({"resume": None}, "resume must be true or false, got None"),
        ({"modelpool": None}, "choose the models to merge with modelpool=OPTION"),
        ({"fabric": {"loggers": {"version": -1}}}, r"fabric.loggers.version must be 0, 1, 2, \.\.\., a name or null"),
        ({"fabric": {"loggers": {"version": 1.5}}}, "got 1.5"),
    ],
)
def test_refuses(changes, message):
    with pytest.raises(ValueError, match=message):
        check_config(make_config(**changes))


def test_refuses_a_logger_whose_package_is_missing(monkeypatch):
    monkeypatch.setattr("fusion_bench.cli.checks.find_spec", lambda name: None)
    config = make_config(fabric={"loggers": {"_target_": "lightning.pytorch.loggers.WandbLogger"}})
    with pytest.raises(ValueError, match="needs the package 'wandb': pip install wandb"):
        check_config(config)


def test_models_given_as_a_list_are_named_by_position():
    config = make_config(method={"order": ["1", "2"]})
    config.modelpool.models = ["x", "y"]
    with pytest.raises(ValueError, match="no '2'"):
        check_config(config)
