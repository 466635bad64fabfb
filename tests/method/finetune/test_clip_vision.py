"""Fine-tuning from end to end on a tiny CLIP model: what is learnt, what stays as it was, what can be repeated."""

import copy
import json
import math
import random

import numpy as np
import pytest
import torch
from clip_files import make_clip, make_rows
from finetune_files import make_pools, quick
from helpers import files_of, same_tensors
from safetensors import safe_open

from fusion_bench.method.finetune import FineTuneClipVision
from fusion_bench.method.finetune import session as session_module
from fusion_bench.method.finetune.parameters import trained_names
from fusion_bench.modelpool.clip_vision import CLIPVisionModelPool
from fusion_bench.runtime import Runtime
from fusion_bench.taskpool.clip_vision import CLIPVisionModelTaskPool
from fusion_bench.taskpool.dummy import DummyTaskPool


@pytest.mark.usefixtures("no_network")
def test_digits_are_learnt(tiny_clip_dir):
    pool, taskpool = make_pools(tiny_clip_dir, 192)
    method = FineTuneClipVision(steps=30, batch_size=24, learning_rate=3e-3, warm_up=5, seed=1)
    model, record = method.run(pool, taskpool, task="digits")
    assert record.accuracy_before < 0.25
    assert record.accuracy_after > record.accuracy_before + 0.25
    assert record.accuracy_after == taskpool.evaluate(model, tasks=["digits"])["digits"]["accuracy"]
    first, last = record.curve[:5], record.curve[-5:]
    assert sum(point.loss for point in last) < 0.8 * sum(point.loss for point in first)
    assert not model.training
    assert all(parameter.requires_grad and parameter.grad_fn is None for parameter in model.parameters())


@pytest.mark.parametrize("trained", ["all", "matrices", "attention"])
def test_only_what_is_trained_changes(pools, trained):
    pool, taskpool = pools
    start = pool.load_model("_pretrained_")
    model, record = quick(trained=trained).run(pool, taskpool, "digits")
    after = dict(model.named_parameters())
    changed = [name for name, value in start.named_parameters() if not torch.equal(value, after[name])]
    # keys' biases cancel in the softmax: their gradient is rounding error, and may be exactly zero
    expected = [name for name in trained_names(start, trained) if not name.endswith("k_proj.bias")]
    assert [name for name in changed if not name.endswith("k_proj.bias")] == expected
    assert record.trained_parameters == sum(after[name].numel() for name in trained_names(start, trained))
    assert record.all_parameters == sum(value.numel() for value in after.values())


def test_pools_and_global_random_state_stay_as_they_were(tiny_clip_dir):
    live, clip = make_clip(0).vision_model, make_clip(0)
    pool, _ = make_pools(tiny_clip_dir, live=live)
    taskpool = CLIPVisionModelTaskPool(
        {"digits": {"dataset": make_rows(10, 10)}}, clip_model=clip, processor=str(tiny_clip_dir)
    )
    before = copy.deepcopy(live.state_dict()), copy.deepcopy(clip.state_dict())
    states = random.getstate(), np.random.get_state()[1].copy(), torch.get_rng_state()
    model, _ = quick(augment="affine").run(pool, taskpool, "digits", start="live")
    assert same_tensors(live.state_dict(), before[0])
    assert same_tensors(clip.state_dict(), before[1])  # the head stays frozen
    assert all(parameter.grad is None for module in (live, clip) for parameter in module.parameters())
    assert random.getstate() == states[0]
    assert np.array_equal(np.random.get_state()[1], states[1])
    assert torch.equal(torch.get_rng_state(), states[2])
    storages = {parameter.data_ptr() for parameter in live.parameters()}
    assert not any(parameter.data_ptr() in storages for parameter in model.parameters())


def test_loss_is_the_one_the_task_pool_scores_with(pools):
    pool, _ = pools
    rows = pool.load_train_dataset("digits")
    taskpool = CLIPVisionModelTaskPool({"digits": {"dataset": rows}}, base_model=pool.get_model_path("_pretrained_"))
    scored = taskpool.evaluate(pool.load_model("_pretrained_"))["digits"]["loss"]
    _, record = quick(steps=1, warm_up=0, batch_size=len(rows)).run(pool, taskpool, "digits")
    assert record.curve[0].loss == pytest.approx(scored, rel=1e-5)


def test_the_same_seed_gives_the_same_bits_and_another_one_others(pools):
    models = [quick(augment="affine", seed=seed).run(*pools, "digits").model for seed in (3, 3, 4)]
    assert same_tensors(models[0].state_dict(), models[1].state_dict())
    assert not same_tensors(models[0].state_dict(), models[2].state_dict())


def test_keeping_images_in_memory_changes_nothing(pools):
    models = [quick(cache_images=cache).run(*pools, "digits").model for cache in (True, False)]
    assert same_tensors(models[0].state_dict(), models[1].state_dict())


def test_the_seed_of_the_run_is_taken_where_the_method_has_none(pools):
    method = quick(seed=None, steps=3)
    assert method.run(*pools, "digits", runtime=Runtime(seed=5)).record.seed == 5
    assert method.run(*pools, "digits").record.seed != method.run(*pools, "digits").record.seed


class StoppedError(Exception):
    """Stands for a kill."""


@pytest.mark.parametrize("changes", [{}, {"keep": "best", "trained": "matrices"}, {"seed": None}], ids=str)
def test_an_interrupted_run_goes_on_with_the_same_bits(pools, tmp_path, changes):
    method = quick(save_every=2, augment="affine", **changes)
    seed = 9 if "seed" in changes else None
    whole = method.run(*pools, "digits", runtime=Runtime(log_dir=tmp_path / "whole", seed=seed))

    def stop(point):
        if point.step == 5:
            raise StoppedError

    with pytest.raises(StoppedError):
        method.run(*pools, "digits", runtime=Runtime(log_dir=tmp_path / "cut", seed=seed), on_point=stop)
    steps = []
    runtime = Runtime(log_dir=tmp_path / "cut", seed=None, resume=True)
    resumed = method.run(*pools, "digits", runtime=runtime, on_point=lambda point: steps.append(point.step))
    assert steps == [5, 6]
    assert same_tensors(whole.model.state_dict(), resumed.model.state_dict())
    skipped = {"seconds": 0}
    assert {**whole.record.to_dict(), **skipped} == {**resumed.record.to_dict(), **skipped}
    again = method.run(*pools, "digits", runtime=runtime)  # resuming a finished run gives its result
    assert same_tensors(again.model.state_dict(), whole.model.state_dict())
    assert again.record == resumed.record


def test_another_run_is_not_resumed(pools, tmp_path):
    quick().run(*pools, "digits", runtime=Runtime(log_dir=tmp_path))
    before = files_of(tmp_path)
    with pytest.raises(FileExistsError, match=r"already holds a run\. Add resume=true"):
        quick().run(*pools, "digits", runtime=Runtime(log_dir=tmp_path))
    runtime = Runtime(log_dir=tmp_path, resume=True)
    with pytest.raises(ValueError, match=r"its method\.steps was 6, now it is 7\. Run with the same setting"):
        quick(steps=7).run(*pools, "digits", runtime=runtime)
    with pytest.raises(ValueError, match="its seed was 0, now it is 1"):
        quick(seed=1).run(*pools, "digits", runtime=runtime)
    assert files_of(tmp_path) == before
    quick(save_every=1, cache_images=False).run(*pools, "digits", runtime=runtime)


@pytest.mark.parametrize(("keep", "kept_step"), [("best", 4), ("last", 8)])
def test_best_or_last_weights_are_kept(pools, monkeypatch, keep, kept_step):
    accuracies = iter([0.0, 0.1, 0.7, 0.7, 0.2])  # before, and after steps 2, 4, 6, 8: equal ones go to the earlier
    monkeypatch.setattr(session_module.Session, "validate", lambda self: next(accuracies))
    seen = {}
    save = session_module.Session._save

    def remember(self, progress):
        seen[progress.step] = copy.deepcopy(self.model.state_dict())
        save(self, progress)

    monkeypatch.setattr(session_module.Session, "_save", remember)
    method = quick(steps=8, keep=keep, save_every=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(session_module.Plan, "saves_after", lambda self, step: step % 2 == 0)
        model, record = method.run(*pools, "digits")
    assert record.kept_step == kept_step
    assert record.accuracy_after == {"best": 0.7, "last": 0.2}[keep]
    assert same_tensors(model.state_dict(), seen[kept_step])
    assert [p.validation_accuracy for p in record.curve if p.validation_accuracy is not None] == [0.1, 0.7, 0.7, 0.2]


def test_autocast_is_used_and_part_of_what_a_run_is(pools, tmp_path):
    def autocast():
        return torch.autocast("cpu", dtype=torch.bfloat16)

    half = quick().run(*pools, "digits", runtime=Runtime(autocast=autocast, log_dir=tmp_path))
    assert half.record.precision == "bfloat16"
    assert {parameter.dtype for parameter in half.model.parameters()} == {torch.float32}
    assert not same_tensors(half.model.state_dict(), quick().run(*pools, "digits").model.state_dict())
    with pytest.raises(ValueError, match="its precision was 'bfloat16', now it is 'float32'"):
        quick().run(*pools, "digits", runtime=Runtime(log_dir=tmp_path, resume=True))


def test_gradients_of_parts_add_up_to_those_of_the_batch(pools):
    settings = {"augment": "affine", "schedule": "constant", "steps": 3}
    whole, parts, uneven = (quick(accumulate=count, **settings).run(*pools, "digits") for count in (1, 4, 3))
    for other in (parts, uneven):
        for name, value in whole.model.state_dict().items():
            if not name.endswith("k_proj.bias"):  # whose gradient is rounding error
                assert torch.allclose(value, other.model.state_dict()[name], atol=2e-4), name
        assert [point.loss for point in other.record.curve] == pytest.approx(
            [point.loss for point in whole.record.curve], rel=1e-4
        )


def test_float16_scales_its_loss_and_resumes_with_the_scale(pools, tmp_path):
    def autocast():
        return torch.autocast("cpu", dtype=torch.float16)

    def stop(point):
        if point.step == 5:
            raise StoppedError

    method = quick(save_every=4)
    whole = method.run(*pools, "digits", runtime=Runtime(autocast=autocast, log_dir=tmp_path / "whole"))
    assert whole.record.precision == "float16"
    with pytest.raises(StoppedError):
        method.run(*pools, "digits", runtime=Runtime(autocast=autocast, log_dir=tmp_path / "cut"), on_point=stop)
    with safe_open(tmp_path / "cut" / "resume" / "state.safetensors", "pt") as file:
        saved = json.loads(file.metadata()["progress"])["loss_scale"]
    assert saved["scale"] > 1
    runtime = Runtime(autocast=autocast, log_dir=tmp_path / "cut", resume=True)
    resumed = method.run(*pools, "digits", runtime=runtime)
    assert same_tensors(whole.model.state_dict(), resumed.model.state_dict())


def test_divergence_names_step_and_learning_rate(pools):
    with pytest.raises(ValueError, match=r"at step \d with learning rate 1e\+38: lower learning_rate"):
        quick(learning_rate=1e38, warm_up=0, gradient_clip=None, schedule="constant").run(*pools, "digits")


def test_names_that_are_nowhere(pools, tiny_clip_dir):
    pool, taskpool = pools
    with pytest.raises(KeyError, match=r"no task 'digit' in this pool.*did you mean 'digits'"):
        quick().run(pool, taskpool, "digit")
    with pytest.raises(KeyError, match="no model 'mnist' in this pool"):
        quick().run(pool, taskpool, "digits", start="mnist")
    empty = CLIPVisionModelPool({"_pretrained_": str(tiny_clip_dir)})
    with pytest.raises(KeyError, match=r"this pool has no train_datasets; give it train_datasets: \{digits: ID_OR"):
        quick().run(empty, taskpool, "digits")
    with pytest.raises(TypeError, match=r"fine-tuning needs a task pool with heads.*got DummyTaskPool"):
        quick().run(pool, DummyTaskPool(), "digits")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 0}, "steps must be an integer of at least 1, got 0"),
        ({"accumulate": 0}, "accumulate must be an integer of at least 1, got 0"),
        ({"accumulate": 9}, r"accumulate must be at most batch_size \(8\), got 9"),
        ({"batch_size": 1.5}, "batch_size must be an integer of at least 1, got 1.5"),
        ({"learning_rate": 0}, "learning_rate must be a number above 0, got 0"),
        ({"learning_rate": math.nan}, "learning_rate must be a number above 0, got nan"),
        ({"schedule": "cosin"}, "schedule must be one of constant, cosine; got 'cosin'; did you mean 'cosine'"),
        ({"trained": "everything"}, "trained must be one of all, matrices, attention; got 'everything'"),
        ({"augment": True}, "augment must be one of none, affine; got True"),
        ({"augment_shift": 1}, "augment_shift must be a number at least 0 and below 1, got 1"),
        ({"keep": "first"}, "keep must be one of last, best; got 'first'"),
        ({"warm_up": 6}, r"warm_up must be less than steps \(6\), got 6"),
        ({"gradient_clip": 0.0}, "gradient_clip must be a number above 0"),
        ({"validate_every": -1}, "validate_every must be an integer of at least 0"),
    ],
)
def test_ranges(changes, message):
    with pytest.raises(ValueError, match=message):
        quick(**changes)
