"""The main job from end to end on CLIP models: eight models from disk, eight tasks, evaluation after every step."""

import json

import pytest
import torch
from clip_files import make_clip, make_rows
from omegaconf import OmegaConf
from oracle_files import ORACLE, TASKS, oracle_tensors, relative_errors
from safetensors.torch import load_file

from fusion_bench.cli.main import main
from fusion_bench.dataset.task import ClassificationTask
from fusion_bench.method.opcm.opcm import OPCM
from fusion_bench.modelpool.clip_vision import CLIPVisionModelPool
from fusion_bench.programs.merge import merge_and_evaluate
from fusion_bench.taskpool import heads as heads_module
from fusion_bench.taskpool.clip_vision import CLIPVisionModelTaskPool
from fusion_bench.utils.files import write_text

NAMES = [f"task{index}" for index in range(8)]


def make_task(index: int) -> dict[str, object]:
    classes = [f"class {index}.{number}" for number in range(3)]
    return {"dataset": make_rows(6, 3, seed=index), "classnames": classes, "templates": ["a photo of a {}."]}


@pytest.fixture
def counted(monkeypatch):
    """Numbers of data set set-ups and of text-head computations."""
    counts = {"set-ups": 0, "heads": 0}

    def counting(function, key):
        def call(*arguments, **keywords):
            counts[key] += 1
            return function(*arguments, **keywords)

        return call

    monkeypatch.setattr(ClassificationTask, "load", counting(ClassificationTask.load, "set-ups"))
    monkeypatch.setattr(heads_module, "zero_shot_head", counting(heads_module.zero_shot_head, "heads"))
    return counts


@pytest.fixture
def pool(tiny_clip_dir, tmp_path) -> CLIPVisionModelPool:
    models = {"_pretrained_": str(tiny_clip_dir)}
    for seed, name in enumerate(NAMES, start=1):
        make_clip(seed).vision_model.save_pretrained(tmp_path / "models" / name)
        models[name] = str(tmp_path / "models" / name)
    return CLIPVisionModelPool(models)


def test_eight_tasks_are_set_up_eight_times(pool, tiny_clip_dir, counted, tmp_path, no_network):
    tasks = {name: make_task(index) for index, name in enumerate(NAMES)}
    taskpool = CLIPVisionModelTaskPool(tasks, base_model=str(tiny_clip_dir))
    result = merge_and_evaluate(OPCM(seed=0), pool, taskpool, log_dir=tmp_path / "run")
    assert counted == {"set-ups": 8, "heads": 8}  # and not 36, one for every evaluation
    assert [sum(cell is not None for cell in row) for row in result.continual.accuracy] == list(range(1, 9))
    assert taskpool.task_names == NAMES


def test_checkpoints_are_those_of_the_events_and_load_with_transformers(pool, tmp_path):
    from transformers import CLIPVisionModel

    merge_and_evaluate(OPCM(shuffle_order=False), pool, log_dir=tmp_path / "run")
    for event in OPCM(shuffle_order=False).steps(pool):
        directory = tmp_path / "run" / "checkpoints" / f"merged_model_{event.index}"
        loaded = CLIPVisionModel.from_pretrained(directory).state_dict()
        expected = event.model.state_dict()
        assert all(torch.equal(loaded[name], expected[name]) for name in expected)


METHODS = {
    "opcm_alpha0.2": ["method=opcm/opcm", "method.alpha=0.2"],
    "opcm_alpha0.5": ["method=opcm/opcm_general"],
    "opcm_alpha0.8": ["method=opcm/opcm", "method.alpha=0.8"],
    "task_arithmetic_0.3": ["method=opcm/task_arithmetic"],
    "weight_average": ["method=opcm/weight_average"],
    "ties_0.5_20_sum": ["method=opcm/ties_merging"],
    "ties_0.5_20_mean": ["method=opcm/ties_merging", "method.merge_func=mean"],
    "ties_0.5_20_max": ["method=opcm/ties_merging", "method.merge_func=max", "method.threshold=0.2"],
}


@pytest.mark.parametrize("name", METHODS)
def test_oracle_from_the_command_line(name, tmp_path, monkeypatch, logging_put_back):
    """Every checkpoint of a run agrees with the independent reference to 1e-5 of the task vector per tensor."""
    pool = {
        "_target_": "fusion_bench.modelpool.CLIPVisionModelPool",
        "models": {model: str(ORACLE / model) for model in ("_pretrained_", *TASKS)},
    }
    write_text(tmp_path / "config" / "modelpool" / "oracle.yaml", OmegaConf.to_yaml(OmegaConf.create(pool)))
    arguments = ["modelpool=oracle", "taskpool=dummy", *METHODS[name], "method.shuffle_order=false"]
    arguments.append(f"path.log_dir={tmp_path}")
    monkeypatch.setattr("sys.argv", ["fusion_bench", "--config-dir", str(tmp_path / "config"), *arguments])
    main()
    base = oracle_tensors("_pretrained_")
    expected_files = sorted(ORACLE.glob(f"expected_{name}_step*.safetensors"))
    assert expected_files
    for file in expected_files:
        step = int(file.stem.rpartition("step")[2])
        merged = load_file(tmp_path / "checkpoints" / f"merged_model_{step}" / "model.safetensors")
        merged = {key.removeprefix("vision_model."): tensor for key, tensor in merged.items()}
        errors = relative_errors(merged, load_file(file), base)
        assert max(errors.values()) <= 1e-5, max(errors, key=errors.get)
    if name.startswith("opcm"):
        check_trace(json.loads((tmp_path / "trace.json").read_text()), name)


def check_trace(rows, name):
    """Norms, λ_t and split ranks of every step as in the reference."""
    expected = json.loads((ORACLE / "trace.json").read_text())[name]
    assert len(rows) == len(expected) == 4
    for row, wanted in zip(rows, expected, strict=True):
        for key in ("task_vector_norm", "avg_task_vector_norm", "merged_task_vector_norm", "lambda_t"):
            assert row[f"model/{key}"] == pytest.approx(wanted[key], rel=1e-6)
        assert row.get("split_ranks", {}) == wanted.get("split_rank", {})
