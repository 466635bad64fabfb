"""The program that fine-tunes: its files, its checkpoint, resuming, and the command line."""

import json
import logging

import pytest
import torch
from datasets import Dataset, Features, Image, Value
from finetune_files import QUICK, digit_rows
from helpers import same_tensors
from omegaconf import OmegaConf
from safetensors.torch import load_file

from fusion_bench.cli.main import main
from fusion_bench.method.finetune import session as session_module
from fusion_bench.modelpool.clip_vision import CLIPVisionModelPool
from fusion_bench.programs.finetune import FineTuneProgram
from fusion_bench.utils.files import write_text

METHOD = {"_target_": "fusion_bench.method.finetune.clip_vision.FineTuneClipVision", **QUICK, "save_every": 2}


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    """Digits as Parquet files of two splits."""
    root = tmp_path_factory.mktemp("digits")
    for split, rows in (("train", digit_rows(0, 48)), ("test", digit_rows(1000, 1040))):
        columns = {key: [row[key] for row in rows] for key in rows[0]}
        features = Features({"image": Image(), "label": Value("int64")})
        Dataset.from_dict(columns, features=features).to_parquet(root / f"{split}.parquet")
    return root


@pytest.fixture
def program(tiny_clip_dir, data_dir, tmp_path):
    def make(**changes):
        settings = {
            "method": METHOD,
            "modelpool": {
                "_target_": "fusion_bench.modelpool.CLIPVisionModelPool",
                "models": {"_pretrained_": str(tiny_clip_dir)},
                "train_datasets": {"digits": str(data_dir)},
            },
            "taskpool": {
                "_target_": "fusion_bench.taskpool.CLIPVisionModelTaskPool",
                "base_model": str(tiny_clip_dir),
                "test_datasets": {"digits": str(data_dir)},
            },
            "task": "digits",
            "fabric": {"_target_": "lightning.Fabric", "devices": 1, "accelerator": "cpu"},
            "path": {"log_dir": str(tmp_path / "run")},
            "print_config": False,
        }
        return FineTuneProgram(**{**settings, **changes})

    return make


@pytest.mark.usefixtures("no_network")
def test_files_of_a_run(program, tmp_path, caplog):
    with caplog.at_level(logging.INFO):
        record = program().run()
    run = tmp_path / "run"
    assert {path.name for path in run.iterdir()} >= {"config.yaml", "overrides.yaml", "cli.log", "checkpoint", "resume"}
    report = json.loads((run / "finetune_report.json").read_text())
    assert report == {**json.loads(json.dumps(record.to_dict())), "checkpoint": str(run / "checkpoint")}
    assert report["training_images"] == 48  # the split train, though the data set is given by its directory alone
    assert [point["step"] for point in report["curve"]] == [1, 2, 3, 4, 5, 6]
    assert OmegaConf.load(run / "config.yaml").task == "digits"
    line = f"validation accuracy {100 * record.accuracy_before:.2f} % before and {100 * record.accuracy_after:.2f} %"
    assert line in caplog.text
    assert line in (run / "cli.log").read_text()


@pytest.mark.parametrize("save_dtype", [None, "float16"])
def test_checkpoint_loads_where_it_is_needed(program, tmp_path, tiny_clip_dir, save_dtype):
    from transformers import CLIPVisionModel

    program(save_dtype=save_dtype).run()
    directory = tmp_path / "run" / "checkpoint"
    dtype = getattr(torch, save_dtype or "float32")
    assert {tensor.dtype for tensor in load_file(directory / "model.safetensors").values()} == {dtype}
    loaded, info = CLIPVisionModel.from_pretrained(directory, dtype=dtype, output_loading_info=True)
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    pool = CLIPVisionModelPool({"_pretrained_": str(tiny_clip_dir), "digits": str(directory)})
    assert same_tensors(pool.load_model("digits").state_dict(), loaded.state_dict())
    changed = [not torch.equal(pool.load_params("digits")[name].float(), tensor)
               for name, tensor in pool.load_params("_pretrained_").items()]  # fmt: skip
    assert sum(changed) > 20
    assert (directory / "preprocessor_config.json").is_file()


def test_a_killed_run_ends_with_the_same_bytes(program, tmp_path, monkeypatch):
    program(path={"log_dir": str(tmp_path / "whole")}).run()
    losses_at = session_module.Session.losses_at

    def die(self, step):
        if step == 4:
            raise KeyboardInterrupt
        return losses_at(self, step)

    monkeypatch.setattr(session_module.Session, "losses_at", die)
    with pytest.raises(KeyboardInterrupt):
        program().run()
    monkeypatch.setattr(session_module.Session, "losses_at", losses_at)
    assert not (tmp_path / "run" / "checkpoint").exists()
    with pytest.raises(FileExistsError, match=r"already holds a run \(resume/run.json\)\. Add resume=true"):
        program().run()
    program(resume=True).run()
    weights = [tmp_path / name / "checkpoint" / "model.safetensors" for name in ("whole", "run")]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    reports = [json.loads((tmp_path / name / "finetune_report.json").read_text()) for name in ("whole", "run")]
    for report in reports:
        del report["seconds"], report["checkpoint"]
    assert reports[0] == reports[1]


def test_another_configuration_is_not_resumed(program):
    program().run()
    with pytest.raises(ValueError, match=r"its method.learning_rate was 0.003, now it is 0.1"):
        program(method={**METHOD, "learning_rate": 0.1}, resume=True).run()


def test_fast_dev_run_takes_three_steps(program):
    record = program(fast_dev_run=True, method={**METHOD, "steps": 500, "warm_up": 100}).run()
    assert record.curve[-1].step == 3


def test_scalars_reach_the_logger(program, tmp_path):
    loggers = {"_target_": "lightning.fabric.loggers.CSVLogger", "root_dir": str(tmp_path / "log"), "name": "x"}
    program(fabric={"_target_": "lightning.Fabric", "accelerator": "cpu", "devices": 1, "loggers": loggers}).run()
    (file,) = (tmp_path / "log").rglob("metrics.csv")
    header = set(file.read_text().splitlines()[0].split(","))
    assert header >= {"train/loss", "train/learning_rate", "validation/accuracy"}


def test_scalars_reach_tensorboard(program, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    loggers = {"_target_": "lightning.fabric.loggers.TensorBoardLogger", "root_dir": None, "name": None}
    fabric = {"_target_": "lightning.Fabric", "accelerator": "cpu", "devices": 1, "loggers": loggers}
    record = program(fabric=fabric).run()
    events = EventAccumulator(str(tmp_path / "run")).Reload()
    losses = events.Scalars("train/loss")
    assert [scalar.step for scalar in losses] == [1, 2, 3, 4, 5, 6]
    assert [scalar.value for scalar in losses] == pytest.approx([point.loss for point in record.curve])
    assert set(events.Tags()["scalars"]) == {"train/loss", "train/learning_rate", "validation/accuracy"}


def test_without_fabric_and_report(program, tmp_path):
    program(fabric=None, report_save_path=None, checkpoint_save_path=str(tmp_path / "mine")).run()
    assert (tmp_path / "mine" / "model.safetensors").is_file()
    assert not (tmp_path / "run" / "finetune_report.json").exists()


def test_dry_run_writes_nothing_and_finds_mistakes(program, tmp_path):
    assert program(dry_run=True).run() is None
    assert not (tmp_path / "run").exists()
    with pytest.raises(Exception, match="steps must be an integer of at least 1, got 0"):
        program(dry_run=True, method={**METHOD, "steps": 0}).run()
    with pytest.raises(TypeError, match="needs method=finetune/clip_vision, got a Dummy"):
        program(dry_run=True, method={"_target_": "fusion_bench.method.dummy.Dummy"}).run()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"save_dtype": "half"}, "save_dtype must be null or one of float32, float16, bfloat16; got 'half'"),
        ({"checkpoint_save_path": None}, "checkpoint_save_path must be a path, got None"),
        ({"fabric": {"precision": "16-true"}}, r"fabric.precision must be null or one of .* got '16-true'"),
    ],
)
def test_refuses(program, changes, message):
    with pytest.raises(ValueError, match=message):
        program(**changes)


@pytest.mark.parametrize("precision", ["bf16-mixed", "16-mixed"])  # Fabric has no float16 for CPUs
@pytest.mark.filterwarnings("ignore:.*AMP with fp16 is not supported on CPU")
def test_precision_is_that_of_fabric(program, precision):
    settings = {"_target_": "lightning.Fabric", "devices": 1, "accelerator": "cpu", "precision": precision}
    assert program(fabric=settings).run().precision == "bfloat16"


@pytest.mark.usefixtures("logging_put_back")
def test_from_the_command_line(program, tmp_path, monkeypatch):
    parts = program()
    for group in ("modelpool", "taskpool"):
        write_text(tmp_path / "c" / group / "mine.yaml", OmegaConf.to_yaml(OmegaConf.create(getattr(parts, group))))
    arguments = ["modelpool=mine", "taskpool=mine", "task=digits", "seed=0", "method.steps=4", "method.warm_up=1"]
    arguments += ["method.batch_size=8", "method.learning_rate=1e-3", "fabric/loggers=none", f"path.log_dir={tmp_path}"]
    monkeypatch.setattr(
        "sys.argv",
        ["fusion_bench", "--config-name", "fabric_finetune", "--config-dir", str(tmp_path / "c"), *arguments],
    )
    main()
    report = json.loads((tmp_path / "finetune_report.json").read_text())
    assert (report["task"], report["method"]["steps"], report["seed"]) == ("digits", 4, 0)
    assert (tmp_path / "checkpoint" / "config.json").is_file()
    assert OmegaConf.load(tmp_path / "overrides.yaml") == arguments


@pytest.mark.usefixtures("logging_put_back")
def test_a_checkpoint_goes_straight_into_a_model_pool(program, tmp_path, tiny_clip_dir, monkeypatch):
    parts = program()
    for group in ("modelpool", "taskpool"):
        write_text(tmp_path / "c" / group / "mine.yaml", OmegaConf.to_yaml(OmegaConf.create(getattr(parts, group))))

    def run(*arguments):
        common = ["--config-dir", str(tmp_path / "c"), "modelpool=mine", "taskpool=mine", "fabric/loggers=none"]
        monkeypatch.setattr("sys.argv", ["fusion_bench", *common, "print_config=false", *arguments])
        main()

    trained, merged = tmp_path / "trained", tmp_path / "merged"
    short = ["method.steps=4", "method.batch_size=8", "method.accumulate=2", "method.learning_rate=1e-3"]
    run("--config-name=clip_finetune", "task=digits", "seed=0", *short, f"path.log_dir={trained}")
    report = json.loads((trained / "finetune_report.json").read_text())
    assert report["method"] | {"steps": 4, "schedule": "constant", "weight_decay": 0.0} == report["method"]
    run("method=simple_average", f"+modelpool.models.digits={trained / 'checkpoint'}", f"path.log_dir={merged}")
    score = json.loads((merged / "program_report.json").read_text())
    assert score["digits"]["accuracy"] == pytest.approx(report["accuracy_after"])  # the average of one model
