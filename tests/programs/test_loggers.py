"""Loggers write straight into the log directory."""

from pathlib import Path

import pytest

from fusion_bench.programs.loggers import build_loggers, logger_arguments

PLACE = {"root_dir": "elsewhere", "name": "n", "version": 3}


@pytest.mark.parametrize("config", [None, {}, PLACE])
def test_no_target_is_no_logger(config, tmp_path):
    assert build_loggers(config, tmp_path) == []


@pytest.mark.parametrize("package", ["lightning.fabric.loggers", "lightning.pytorch.loggers"])
@pytest.mark.parametrize("kind", ["CSVLogger", "TensorBoardLogger"])
def test_files_stand_in_the_log_directory(kind, package, tmp_path, recwarn):
    (tmp_path / "config.yaml").touch()
    (logger,) = build_loggers({"_target_": f"{package}.{kind}", **PLACE}, tmp_path)
    logger.log_metrics({"acc": 0.5}, step=1)
    logger.finalize("success")
    logger.save()
    pattern = "metrics.csv" if kind == "CSVLogger" else "events.out.*"
    assert [file.parent for file in tmp_path.rglob(pattern)] == [tmp_path]
    assert not [warning for warning in recwarn if "not empty" in str(warning.message)]


def test_csv_rows_of_an_interrupted_run_are_kept(tmp_path):
    config = {"_target_": "lightning.fabric.loggers.CSVLogger", "flush_logs_every_n_steps": 1}
    for value in (1.0, 2.0):
        (logger,) = build_loggers(config, tmp_path)
        logger.log_metrics({"acc": value}, step=1)
        logger.finalize("success")
    assert "1.0" in (tmp_path / "metrics_0.csv").read_text()
    assert "2.0" in (tmp_path / "metrics.csv").read_text()


def test_services_get_the_name_of_the_run():
    wandb = {"_target_": "lightning.pytorch.loggers.WandbLogger", "project": "p", **PLACE}
    mlflow = {"_target_": "lightning.pytorch.loggers.MLFlowLogger", "tracking_uri": None, **PLACE}
    assert logger_arguments(wandb, Path("L")) == {
        "_target_": wandb["_target_"],
        "project": "p",
        "save_dir": "L",
        "name": "n",
    }
    assert logger_arguments({**mlflow, "name": None}, Path("L/run")) == {
        "_target_": mlflow["_target_"],
        "tracking_uri": None,
        "save_dir": "L/run/mlruns",
        "run_name": "run",
    }


def test_any_other_logger_gets_its_configuration_as_it_is():
    config = {"_target_": "mine.Logger", "name": "n"}
    assert logger_arguments(config, Path("L")) == config
