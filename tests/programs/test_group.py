"""Runs on two devices give the files and numbers of one."""

import json
import subprocess
import sys

import pytest
from clip_files import make_images
from omegaconf import OmegaConf

from fusion_bench.programs import group
from fusion_bench.programs.fusion import FabricModelFusionProgram
from fusion_bench.taskpool.dummy import DummyTaskPool

NAMES = ["mnist", "digits", "letters"]


@pytest.fixture
def arguments(tiny_pool_dir, tmp_path):
    """A run on images from a folder, with eight batches a task."""
    for index, image in enumerate(make_images(15)):
        file = tmp_path / "images" / f"class {index % 3}" / f"{index}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        image.save(file)
    models = {name: str(tiny_pool_dir / name) for name in NAMES}
    names = {"classnames": [f"class {index}" for index in range(3)], "templates": ["a photo of a {}."]}
    config = {
        "modelpool": {
            "_target_": "fusion_bench.modelpool.CLIPVisionModelPool",
            "models": {"_pretrained_": str(tiny_pool_dir / "base"), **models},
        },
        "taskpool": {
            "_target_": "fusion_bench.taskpool.CLIPVisionModelTaskPool",
            "base_model": str(tiny_pool_dir / "base"),
            "test_datasets": {name: {"dataset": str(tmp_path / "images"), **names} for name in NAMES},
            "dataloader_kwargs": {"batch_size": 2},
            "cache_dir": str(tmp_path / "cache"),
        },
    }
    for key, part in config.items():
        (tmp_path / "config" / key).mkdir(parents=True)
        OmegaConf.save(OmegaConf.create(part), tmp_path / "config" / key / "mine.yaml")

    def make(name, *more):
        options = ["method=opcm/opcm", "seed=1", "print_config=false", "fabric.accelerator=cpu", "fabric/loggers=none"]
        pools = ["modelpool=mine", "taskpool=mine", f"path.log_dir={tmp_path / name}"]
        return [sys.executable, "-m", "fusion_bench", *options, *pools, *more, "--config-dir", str(tmp_path / "config")]

    return make


def files(directory):
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file())


@pytest.mark.slow
def test_two_processes_leave_the_files_of_one(arguments, tmp_path):
    for name, devices in (("one", 1), ("two", 2)):
        command = arguments(name, f"fabric.devices={devices}")
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=300)
        assert done.returncode == 0, done.stderr + done.stdout
    assert files(tmp_path / "one") == files(tmp_path / "two")
    for report in ("continual_report.json", "report_1.json", "program_report.json"):
        one, two = (json.loads((tmp_path / name / report).read_text()) for name in ("one", "two"))
        assert one == two  # to the last bit
    assert done.stdout.count("accuracy in %") == 1


@pytest.mark.parametrize(
    ("fabric", "grouped"),
    [
        (None, False),
        ({"devices": 1}, False),
        ({"devices": 2}, True),
        ({"devices": "2"}, True),
        ({"devices": [0]}, False),
        ({"devices": [0, 3]}, True),
        ({"devices": 1, "num_nodes": 2}, True),
    ],
)
def test_what_asks_for_several_processes(fabric, grouped, monkeypatch):
    assert group.is_grouped(fabric) is grouped
    monkeypatch.setenv("SLURM_PROCID", "1")
    assert group.is_follower(fabric) is grouped
    monkeypatch.setenv("LOCAL_RANK", "0")
    assert not group.is_follower(fabric)


def test_all_gpus_are_as_many_as_there_are(monkeypatch):
    for count in (1, 4):
        monkeypatch.setattr("torch.cuda.device_count", lambda count=count: count)
        for devices in ("auto", -1):
            assert group.is_grouped({"devices": devices}) is (count > 1)


def test_mistakes_are_found_before_processes_start(tmp_path):
    with pytest.raises(ValueError, match=r"fabric\.strategy must be auto or ddp .* got 'fsdp'"):
        group.group_settings({"devices": 2, "strategy": "fsdp"})
    with pytest.raises(ValueError, match="a DummyTaskPool cannot share it: set fabric"):
        group.check_group({"devices": 2}, DummyTaskPool())
    program = FabricModelFusionProgram(
        method={"_target_": "fusion_bench.method.dummy.Dummy"},
        modelpool={"_target_": "fusion_bench.modelpool.BaseModelPool", "models": {}},
        taskpool={"_target_": "fusion_bench.taskpool.DummyTaskPool"},
        fabric={"_target_": "lightning.Fabric", "devices": 2},
        path={"log_dir": str(tmp_path / "run")},
        print_config=False,
    )
    with pytest.raises(ValueError, match="shares the evaluation"):
        program.run()
