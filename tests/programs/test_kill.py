"""A run killed at any moment and resumed ends byte for byte like one that was left alone."""

import multiprocessing
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest
from helpers import files_of

from fusion_bench.utils.files import read_json

pytestmark = pytest.mark.slow

NAMES = ["_pretrained_", "a", "b", "c", "d", "e", "f"]
ORDERS = {"count": 10, "seed": 5}


def run(log_dir: str, resume: bool, die_at: int | None = None, orders: dict | None = None) -> None:
    """The whole program on small models; ``die_at`` kills the process at that operation on its files."""
    from fusion_bench.programs.fusion import FabricModelFusionProgram

    if die_at is not None:
        _die_at_operation(die_at)
    FabricModelFusionProgram(
        method={"_target_": "fusion_bench.method.opcm.opcm.OPCMForCLIP", "seed": None if orders else 1},
        orders=orders,
        modelpool={
            "_target_": "fusion_bench.modelpool.BaseModelPool",
            "models": {name: {"_target_": "helpers.make_model", "seed": i} for i, name in enumerate(NAMES)},
        },
        taskpool={"_target_": "helpers.HashTaskPool", "task_names": NAMES[1:]},
        fabric={"_target_": "lightning.Fabric", "devices": 1, "accelerator": "cpu"},
        path={"log_dir": log_dir},
        print_config=False,
        resume=resume,
    ).run()


def _die_at_operation(number: int) -> None:
    """Count renames, syncs and text writes; SIGKILL this process at the given one."""
    left = [number]

    def counted(function):
        def call(*arguments, **keywords):
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments, **keywords)

        return call

    os.replace, os.rename, os.fsync = counted(os.replace), counted(os.rename), counted(os.fsync)
    Path.write_text = counted(Path.write_text)


@pytest.fixture(scope="module")
def processes():
    """Processes that start with everything imported, and with no thread of torch's running yet."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["torch", "lightning", "fusion_bench.programs.merge", "fusion_bench.method.opcm.opcm"]
    )

    def start(*arguments):
        process = context.Process(target=run, args=arguments)
        process.start()
        return process

    return start


@pytest.fixture(scope="module")
def reference(processes, tmp_path_factory):
    """Files of an uninterrupted run, and the seconds it took once everything was imported."""
    for name in ("warm", "whole"):
        directory = tmp_path_factory.mktemp(name)
        start = time.perf_counter()
        process = processes(str(directory), False)
        process.join(120)
        assert process.exitcode == 0
    return results(directory), time.perf_counter() - start


def results(directory: Path) -> dict[str, bytes]:
    """Everything but the text log and the files that say when the run was started and resumed."""
    skipped = ("cli.log", "config.yaml", "overrides.yaml", "provenance.json")
    return {name: content for name, content in files_of(directory).items() if Path(name).name not in skipped}


def complete_or_absent(directory: Path) -> None:
    """What stands under a final name can be read whole."""
    from safetensors.torch import load_file

    for path in directory.rglob("*"):
        if any(part.startswith(".partial-") for part in path.parts) or not path.is_file():
            continue
        if path.suffix == ".json":
            read_json(path)
        elif path.suffix == ".safetensors":
            load_file(path)
    for checkpoint in directory.glob("**/checkpoints/merged_model_*"):
        assert (checkpoint / "model.safetensors").exists()


@pytest.mark.parametrize("trial", range(10))
def test_kill_at_a_random_moment(processes, reference, tmp_path, trial):
    expected, seconds = reference
    process = processes(str(tmp_path), False)
    time.sleep(random.Random(trial).uniform(0.02, seconds))
    process.kill()
    process.join()
    complete_or_absent(tmp_path)
    resumed = processes(str(tmp_path), True)
    resumed.join(120)
    assert resumed.exitcode == 0
    assert results(tmp_path) == expected


@pytest.mark.parametrize("operation", [1, 2, 3, 5, 8, 13, 21, 34, 55, 70])
def test_kill_between_two_operations_on_files(processes, reference, tmp_path, operation):
    process = processes(str(tmp_path), False, operation)
    process.join(120)
    assert process.exitcode == -signal.SIGKILL
    complete_or_absent(tmp_path)
    resumed = processes(str(tmp_path), True)
    resumed.join(120)
    assert resumed.exitcode == 0
    assert results(tmp_path) == reference[0]


@pytest.fixture(scope="module")
def reference_of_orders(processes, tmp_path_factory):
    """Files of an uninterrupted run of ten orders, and the seconds it took."""
    directory, start = tmp_path_factory.mktemp("orders"), time.perf_counter()
    process = processes(str(directory), False, None, ORDERS)
    process.join(240)
    assert process.exitcode == 0
    return results(directory), time.perf_counter() - start


def resume_orders(processes, directory, expected) -> None:
    """Go on with an interrupted run of ten orders, which gives the same files and so the same table."""
    complete_or_absent(directory)
    resumed = processes(str(directory), True, None, ORDERS)
    resumed.join(240)
    assert resumed.exitcode == 0
    assert "orders_report.json" in expected
    assert results(directory) == expected


@pytest.mark.parametrize("trial", range(5))
def test_kill_ten_orders_at_random_moments(processes, reference_of_orders, tmp_path, trial):
    expected, seconds = reference_of_orders
    moment = random.Random(trial)
    for resume in (False, True):  # twice, so that a resumed run is killed too
        process = processes(str(tmp_path), resume, None, ORDERS)
        time.sleep(moment.uniform(0.02, seconds * 0.6))
        process.kill()
        process.join()
    resume_orders(processes, tmp_path, expected)


@pytest.mark.parametrize("operation", [1, 4, 9, 60, 95, 160, 300])
def test_kill_ten_orders_between_two_operations_on_files(processes, reference_of_orders, tmp_path, operation):
    process = processes(str(tmp_path), False, operation, ORDERS)
    process.join(240)
    assert process.exitcode == -signal.SIGKILL
    resume_orders(processes, tmp_path, reference_of_orders[0])


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 64 KiB; skipped where this user may not mount one."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(tmp_path)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("needs the right to mount a tmpfs")
    yield tmp_path
    subprocess.run(["umount", str(tmp_path)], check=True)


def test_full_disk_keeps_the_earlier_steps(small_disk, monkeypatch):
    filler = small_disk / "filler"
    filler.write_bytes(bytes(24 * 1024))
    with pytest.raises(OSError, match="the disk is full while writing"):
        run(str(small_disk), False)
    complete_or_absent(small_disk)
    assert (small_disk / "checkpoints" / "merged_model_0" / "model.safetensors").exists()
    filler.unlink()
    subprocess.run(["mount", "-o", "remount,size=4m", str(small_disk)], check=True)
    run(str(small_disk), True)
    assert (small_disk / "checkpoints" / "merged_model_5" / "model.safetensors").exists()
