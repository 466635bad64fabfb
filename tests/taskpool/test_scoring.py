"""Several models at once, processes that share the work, compiled towers: the same numbers every time."""

import copy

import pytest
import torch
from clip_files import make_clip, make_rows
from process_pairs import in_two_processes

from fusion_bench.dataset.images import LabelledImages
from fusion_bench.taskpool.clip_vision import CLIPVisionModelTaskPool
from fusion_bench.taskpool.compiled import CompiledNetworks
from fusion_bench.taskpool.group import dismiss

ROWS = {"mnist": make_rows(11, 10, 0), "digits": make_rows(5, 10, 1)}


def make_pool(directory, **kwargs):
    settings = {"dataloader_kwargs": {"batch_size": 2}, **kwargs}
    return CLIPVisionModelTaskPool(ROWS, base_model=str(directory), **settings)


@pytest.fixture
def towers():
    return {f"model {seed}": make_clip(seed).vision_model for seed in (1, 2, 3)}


def test_many_models_score_as_each_alone(tiny_clip_dir, towers, monkeypatch):
    towers["half"] = copy.deepcopy(towers["model 1"]).half()
    expected = {name: make_pool(tiny_clip_dir).evaluate(tower, name) for name, tower in towers.items()}
    read, row = [], LabelledImages.row
    monkeypatch.setattr(LabelledImages, "row", lambda self, index: read.append(index) or row(self, index))
    monkeypatch.setattr("fusion_bench.taskpool.image_tasks.KEPT_PIXEL_BYTES", 0)
    pool = make_pool(tiny_clip_dir)
    assert pool.evaluate_many(towers) == expected
    assert len(read) == 16  # once for all models, though nothing is kept
    few = pool.evaluate_many({"a": towers["model 2"]}, tasks=["digits"])
    assert few["a"].scores == {"digits": expected["model 2"].scores["digits"]}
    assert pool.evaluate_many({}) == {}
    with pytest.raises(TypeError, match="'b' is a int"):
        pool.evaluate_many({"a": towers["model 1"], "b": 3})
    assert all(parameter.dtype == torch.float16 for parameter in towers["half"].parameters())


def test_many_models_of_a_pool_that_scores_one_at_a_time(towers):
    from fusion_bench.report import TaskScore
    from fusion_bench.taskpool.base_pool import BaseTaskPool

    class Sizes(BaseTaskPool):
        task_names = ("size",)

        def evaluate_task(self, model, task):
            return TaskScore(0.5, float(next(model.parameters()).sum()))

    found = Sizes().evaluate_many(towers)
    assert found == {name: Sizes().evaluate(tower, name) for name, tower in towers.items()}


def test_autocast_is_entered_by_task_and_thread(tiny_clip_dir, towers):
    pool = make_pool(tiny_clip_dir)
    entered = []

    def autocast():
        entered.append(1)
        return torch.autocast("cpu", dtype=torch.bfloat16)

    pool.setup(autocast=autocast)
    pool.evaluate(towers["model 1"])
    assert 2 <= len(entered) <= 2 * (1 + torch.get_num_threads())  # not by batch


def test_negative_numbers_are_refused(tiny_clip_dir):
    for argument in ("pixel_cache_gib", "num_ray_actors"):
        with pytest.raises(ValueError, match=f"{argument} must be 0 or more, got -1"):
            make_pool(tiny_clip_dir, **{argument: -1})


# ---- compiled


@pytest.fixture
def eager_compile(monkeypatch):
    """``torch.compile`` without a compiler: counts what is compiled and the sizes of batches."""
    seen = {"compiled": 0, "batches": []}

    def compile(module, dynamic):
        assert dynamic is False
        seen["compiled"] += 1

        def call(pixel_values):
            seen["batches"].append(len(pixel_values))
            return module(pixel_values=pixel_values)

        return call

    monkeypatch.setattr(torch, "compile", compile)
    return seen


def test_one_compilation_serves_all_models_and_batches(tiny_clip_dir, towers, eager_compile):
    expected = {name: make_pool(tiny_clip_dir).evaluate(tower) for name, tower in towers.items()}
    before = {name: copy.deepcopy(tower.state_dict()) for name, tower in towers.items()}
    pool = make_pool(tiny_clip_dir, compile=True)
    for name, tower in towers.items():
        report = pool.evaluate(tower)
        for task in ROWS:
            assert report[task]["accuracy"] == expected[name][task]["accuracy"]
            assert report[task]["loss"] == pytest.approx(expected[name][task]["loss"], rel=1e-6)
    assert eager_compile["compiled"] == 1
    assert set(eager_compile["batches"]) == {2}
    pool.evaluate_many(towers)
    assert eager_compile["compiled"] == 3
    for name, tower in towers.items():
        assert all(torch.equal(tensor, before[name][key]) for key, tensor in tower.state_dict().items())


def test_features_are_taken_from_layers_that_are_not_compiled(tiny_clip_dir, towers, eager_compile, tmp_path):
    pool = make_pool(tiny_clip_dir, compile=True, layer_wise_feature_save_path=tmp_path)
    pool.evaluate(towers["model 1"], tasks=["digits"])
    assert list(tmp_path.rglob("layer_0.safetensors"))
    assert eager_compile["compiled"] == 0


def test_another_architecture_is_compiled_anew(eager_compile):
    compiled, tower = CompiledNetworks(), make_clip(1).vision_model
    (first,) = compiled.of([tower])
    (second,) = compiled.of([make_clip(2).vision_model])
    (third,) = compiled.of([make_clip(2, hidden=64).vision_model])
    assert first is second
    assert third is not first


# ---- several processes


def _score_in_turn(rank, directory):
    pool = make_pool(directory)
    if rank:
        return pool.follow()
    models = {f"model {seed}": make_clip(seed).vision_model for seed in (1, 2)}
    first = pool.evaluate_many(models)
    with pytest.raises(ValueError, match="another backbone"):
        pool.evaluate(make_clip(1, hidden=64).vision_model)
    second = pool.evaluate(models["model 1"], tasks=["digits"])
    dismiss()
    return first, second


def _score_compiled(rank, directory):
    compiled = []
    torch.compile = lambda module, dynamic: compiled.append(module) or module
    pool = make_pool(directory, compile=True)
    if rank:
        pool.follow()
        return len(compiled)
    report = pool.evaluate(make_clip(1).vision_model)
    dismiss()
    return report


def test_two_processes_give_the_numbers_of_one(tiny_clip_dir, towers):
    (first, second), _ = in_two_processes(tiny_clip_dir, _score_in_turn)
    pool = make_pool(tiny_clip_dir)
    for name in ("model 1", "model 2"):
        assert first[name] == pool.evaluate(towers[name], name)  # bit by bit
    assert second == pool.evaluate(towers["model 1"], tasks=["digits"])


def test_each_of_two_processes_compiles(tiny_clip_dir, towers):
    report, compiled = in_two_processes(tiny_clip_dir, _score_compiled)
    assert compiled == 1
    expected = make_pool(tiny_clip_dir).evaluate(towers["model 1"])
    for task in ROWS:
        assert report[task]["accuracy"] == expected[task]["accuracy"]
        assert report[task]["loss"] == pytest.approx(expected[task]["loss"], rel=1e-6)
