"""The shipped configuration files: all keys and their defaults."""

import pytest
from omegaconf import OmegaConf

from fusion_bench.cli.config_files import ConfigFiles
from fusion_bench.cli.request import Request

TOP = {
    "_target_": "fusion_bench.programs.FabricModelFusionProgram",
    "_recursive_": False,
    "seed": None,
    "fast_dev_run": False,
    "dry_run": False,
    "resume": False,
    "print_config": True,
    "print_function_call": True,
    "merged_model_save_path": None,
    "orders": None,
    "merged_model_save_kwargs": None,
    "report_save_path": "{log_dir}/program_report.json",
    "individual_accuracy": None,
}
PLACE = {"root_dir": None, "name": None, "version": None}


def compose(*overrides, with_hydra=False):
    return Request().compose(overrides, with_hydra=with_hydra)


def test_top_level_keys_and_defaults():
    config = compose()
    plain = OmegaConf.to_container(config)
    groups = {key: plain.pop(key) for key in ("method", "modelpool", "taskpool", "fabric", "executor", "path")}
    assert plain == TOP
    assert groups["executor"] == {"_target_": "fusion_bench.utils.executors.ThreadExecutor", "threads": None}
    assert groups["method"]["_target_"].startswith("fusion_bench.method.")
    assert groups["modelpool"]["models"]["_pretrained_"] == groups["taskpool"]["base_model"] == "tiny8/clip-vit-tiny"


def test_default_choices():
    choices = compose(with_hydra=True).hydra.runtime.choices
    expected = {"method": "dummy", "fabric": "auto", "path": "default", "hydra": "default"}
    assert {key: choices[key] for key in expected} == expected
    assert choices["fabric/loggers"] == "tensorboard_logger"
    assert choices["modelpool"] == "CLIPVisionModelPool/clip-vit-tiny_tiny8"
    assert choices["taskpool"] == "CLIPVisionModelTaskPool/clip-vit-classification_tiny8"


def test_fabric():
    fabric = OmegaConf.to_container(compose().fabric)
    assert fabric.pop("loggers") == {"_target_": "lightning.fabric.loggers.TensorBoardLogger", **PLACE}
    assert fabric == {
        "_target_": "lightning.Fabric",
        "devices": 1,
        "accelerator": "auto",
        "strategy": "auto",
        "precision": None,
    }


@pytest.mark.parametrize("option", ["tensorboard_logger", "csv_logger", "none", "wandb_logger", "mlflow_logger"])
def test_every_logger_option_has_the_keys_of_the_log_directory(option):
    loggers = compose(f"fabric/loggers={option}").fabric.loggers
    assert {key: loggers[key] for key in PLACE} == PLACE
    assert ("_target_" in loggers) == (option != "none")


def test_every_logger_target_exists():
    from fusion_bench.utils.configurable import locate

    for option in ConfigFiles().options("fabric/loggers"):
        target = compose(f"fabric/loggers={option}").fabric.loggers.get("_target_")
        assert target is None or isinstance(locate(target), type)


def test_path_follows_the_environment(monkeypatch):
    for name in ("FUSION_BENCH_PROJECT_ROOT", "FUSION_BENCH_DATA_DIR", "FUSION_BENCH_CACHE_DIR"):
        monkeypatch.delenv(name, raising=False)
    path = compose().path
    assert [path[key] for key in ("root_dir", "output_dir", "data_dir", "cache_dir", "model_dir")] == [
        ".",
        "./outputs",
        "./data",
        None,
        "./models",
    ]
    monkeypatch.setenv("FUSION_BENCH_PROJECT_ROOT", "/root_of_it")
    monkeypatch.setenv("FUSION_BENCH_CACHE_DIR", "/cache")
    path = compose().path
    assert (path.output_dir, path.data_dir, path.cache_dir) == ("/root_of_it/outputs", "/root_of_it/data", "/cache")
    monkeypatch.setenv("FUSION_BENCH_DATA_DIR", "/data_of_it")
    assert compose().path.data_dir == "/data_of_it"


def test_hydra_keeps_out_of_the_log_directory():
    hydra = compose(with_hydra=True).hydra
    assert hydra.job.chdir is False
    assert hydra.output_subdir is None
    assert list(hydra.job_logging.handlers) == ["console"]
    assert list(hydra.job_logging.root.handlers) == ["console"]


def test_log_dir_is_named_after_the_configuration_and_the_time():
    log_dir = OmegaConf.to_container(compose().path)["log_dir"]
    assert log_dir.startswith("${path.output_dir}/${hydra:job.config_name}/")
    assert "%f" in log_dir  # microseconds: two runs of one second differ


@pytest.mark.parametrize("group", ["method", "modelpool", "taskpool", "fabric", "path"])
def test_every_option_composes(group):
    for option in ConfigFiles().options(group):
        if f"{group}/{option}".count("/") < 2 or group != "fabric":  # fabric/loggers is a group of its own
            assert compose(f"{group}={option}")[group], option
