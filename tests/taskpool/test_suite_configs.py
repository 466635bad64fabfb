"""Every pool and task pool of the published suites composes to what the table of suites says."""

import inspect
import re
from itertools import cycle, islice
from pathlib import Path

import pytest
import yaml
from hydra import compose, initialize_config_module
from hydra.utils import get_object
from omegaconf import OmegaConf
from suite_table import BACKBONES, SUITES, TABLE, TASKS

from fusion_bench.dataset.task import check_entry

CONFIG = Path(__file__).parents[2] / "config"
POOLS, TASKPOOLS = "modelpool/CLIPVisionModelPool", "taskpool/CLIPVisionModelTaskPool"
DATA = "dataset/image_classification"
LOAD = "fusion_bench.dataset.loading.load_image_classification"

MODEL_POOLS = {
    **{f"{b}_{s}{end}": (b, n, not end) for b in BACKBONES for s, n in SUITES.items() for end in ("", "_model_only")},
    **{f"{b}_individual": (b, 0, False) for b in BACKBONES},
}
TASK_POOLS = {
    **{
        f"clip-vit-classification_{s}{suffix}": (b, TASKS[:n], "test")
        for s, n in SUITES.items()
        for b, suffix in BACKBONES.items()
    },
    **{f"clip-vit-classification_TA8_val{suffix}": (b, TASKS[:8], "val") for b, suffix in BACKBONES.items()},
    **{f"clip-vit-single-task_{task}": ("clip-vit-base-patch32", [task], "test") for task in TASKS},
    **{
        f"clip-vit-single-task_{row.task}_val": ("clip-vit-base-patch32", [row.task], "val")
        for row in TABLE
        if row.validation
    },
}


@pytest.fixture(autouse=True)
def _configs(monkeypatch):
    monkeypatch.setenv("FUSION_BENCH_CACHE_DIR", "somewhere")
    with initialize_config_module("fusion_bench_config", version_base="1.3"):
        yield


def shipped(folder: str) -> set[str]:
    """The options of a folder apart from those of tiny8."""
    return {file.stem for file in (CONFIG / folder).glob("*.yaml") if "tiny8" not in file.stem} - {"_template"}


def expected_data(row, part):
    """The entry of a data set as a user can override it."""
    entry = {"_target_": LOAD, "path": row.path, "split": row.test, "cache_dir": "somewhere"}
    if row.task == "fer2013":
        entry["_target_"] = "fusion_bench.dataset.fer2013.load_fer2013"
    if row.task == "svhn":
        entry["name"] = "cropped_digits"
    if row.task == "cifar100":
        entry["label_column"] = "fine_label"
    if part == "train" or (part == "val" and row.validation is None):
        entry["split"] = "train"
    if part == "val" and row.validation is None:
        entry["_target_"] = "fusion_bench.dataset.held_out.load_held_out"
    elif part == "val":
        entry["split"] = row.validation
    return entry


def same_data(entries, tasks, part):
    assert list(entries) == tasks
    for row in TABLE:
        if row.task in tasks:
            entry = OmegaConf.to_container(entries[row.task], resolve=True)
            assert entry == expected_data(row, part), row.task
            inspect.signature(get_object(entry.pop("_target_"))).bind(**entry)
    return True


def same_pool(pool, name):
    backbone, count, has_data = MODEL_POOLS[name]
    assert pool._target_ == "fusion_bench.modelpool.CLIPVisionModelPool"
    models = [("_pretrained_", f"openai/{backbone}")]
    models += [(task, f"tanganke/{backbone}_{task}") for task in TASKS[:count]]
    assert list(pool.models.items()) == models
    assert pool.base_model == (f"openai/{backbone}" if name.endswith("_individual") else None)
    for part in ("train", "test"):
        data = pool[f"{part}_datasets"]
        assert same_data(data, TASKS[:count], part) if has_data else data is None
    return True


def same_taskpool(taskpool, name):
    backbone, tasks, part = TASK_POOLS[name]
    assert taskpool._target_ == "fusion_bench.taskpool.CLIPVisionModelTaskPool"
    assert taskpool.base_model == taskpool.processor == taskpool.clip_model == f"openai/{backbone}"
    return same_data(taskpool.test_datasets, tasks, part)


def test_the_files_are_those_of_the_suites():
    assert shipped(POOLS) == set(MODEL_POOLS)
    assert shipped(TASKPOOLS) == set(TASK_POOLS)
    for part in ("train", "test"):
        assert shipped(f"{DATA}/{part}") == {*TASKS, *SUITES}
    validated = {row.task for row in TABLE if row.validation} | set(TASKS[:8])
    assert shipped(f"{DATA}/val") == {*validated, "TA8"}
    ends = ["", *(f"_{name}" for name in (*TASKS, *SUITES))]
    assert shipped("model/clip-vit") == {f"{backbone}{end}" for backbone in BACKBONES for end in ends}


@pytest.mark.slow
def test_every_pool_and_every_task_pool_composes_to_what_the_table_says():
    """Each file once, a pool beside a task pool; that any two go together then follows from the next test."""
    pools, taskpools = cycle(MODEL_POOLS), cycle(TASK_POOLS)
    for pool, taskpool in islice(zip(pools, taskpools, strict=False), max(len(MODEL_POOLS), len(TASK_POOLS))):
        chosen = [f"{POOLS}/{pool}".replace("/", "=", 1), f"{TASKPOOLS}/{taskpool}".replace("/", "=", 1)]
        config = compose("fabric_model_fusion", chosen)
        assert same_pool(config.modelpool, pool)
        assert same_taskpool(config.taskpool, taskpool)


def test_neither_pool_refers_to_the_other():
    files = [file for folder in ("modelpool", "taskpool", "model", "dataset") for file in (CONFIG / folder).rglob("*")]
    for file in files:
        if file.is_file():
            references = re.findall(r"\$\{([^}]*)\}", file.read_text(encoding="utf-8"))
            assert {name for name in references if not name.startswith(".")} <= {
                "path.cache_dir",
                "path.model_dir",
                "path.data_dir",
            }, file


def test_a_model_can_be_named_alone():
    for backbone in BACKBONES:
        for task in TASKS:
            text = (CONFIG / "model/clip-vit" / f"{backbone}_{task}.yaml").read_text(encoding="utf-8")
            assert yaml.safe_load(text) == {task: f"tanganke/{backbone}_{task}"}
    chosen = "+model/clip-vit@modelpool.models=[clip-vit-base-patch16,clip-vit-base-patch16_kmnist]"
    pool = compose("fabric_model_fusion", ["modelpool=CLIPVisionModelPool/_template", chosen]).modelpool
    assert pool.models == {
        "_pretrained_": "openai/clip-vit-base-patch16",
        "kmnist": "tanganke/clip-vit-base-patch16_kmnist",
    }


def test_the_tasks_of_a_pool_can_be_chosen_from_the_data_sets():
    chosen = f"{DATA}/test@taskpool.test_datasets=[mnist,pcam]"
    single = "taskpool=CLIPVisionModelTaskPool/clip-vit-single-task_dtd"
    taskpool = compose("fabric_model_fusion", [single, chosen]).taskpool
    assert same_data(taskpool.test_datasets, ["mnist", "pcam"], "test")


def test_the_class_names_of_every_entry_are_known():
    config = compose("fabric_model_fusion", ["taskpool=CLIPVisionModelTaskPool/clip-vit-classification_TALL20"])
    for task, entry in config.taskpool.test_datasets.items():
        check_entry(task, entry)
