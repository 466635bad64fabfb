"""The landscape of two models and a merged one: its plane, its losses, its files."""

import json
from pathlib import Path

import pytest
import torch
from nets import inputs_for, make_net
from safetensors.torch import load_file
from torch import nn

from fusion_bench.method.analysis import LossLandscape
from fusion_bench.method.mudsc import WeightZip
from fusion_bench.method.task_arithmetic import TaskArithmetic
from fusion_bench.modelpool import BaseModelPool
from fusion_bench.runtime import Runtime

from .scoring import Distance


def linear(seed: int) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Linear(3, 2)


MODELS = {"_pretrained_": linear(0), "a": linear(1), "b": linear(2), "c": linear(3)}
INPUTS = torch.randn(20, 3, generator=torch.Generator().manual_seed(0))


def tasks(names: str = "ab") -> Distance:
    return Distance({name: MODELS[name] for name in names}, INPUTS)


def test_losses_are_those_of_the_networks_at_the_points():
    merged, found = LossLandscape(resolution=6).measure(MODELS, Runtime(scorer=tasks()))
    torch.testing.assert_close(merged.weight, (MODELS["a"].weight + MODELS["b"].weight) / 2)
    assert list(found.points) == ["a", "b", "merged", "pretrained"]
    assert found.points["a"] == (0, 0)
    distance = sum((p - q).square().sum() for p, q in zip(linear(1).parameters(), linear(2).parameters(), strict=True))
    assert found.points["b"] == pytest.approx((float(distance.sqrt().detach()), 0))
    assert found.points["merged"] == pytest.approx((found.points["b"][0] / 2, 0), abs=1e-6)
    assert found.at["a"].scores["a"].loss == pytest.approx(0, abs=1e-10)
    assert found.at["pretrained"].scores["b"].loss == pytest.approx(
        tasks().evaluate(MODELS["_pretrained_"])["b"]["loss"]
    )
    # Outputs are linear in the weights and losses squares of them: third differences along a row vanish.
    for surface in found.surface.loss.values():
        assert surface.shape == (len(found.y), len(found.x))
        assert surface.diff(n=3, dim=1).abs().max() < 1e-4 * surface.max()
    torch.testing.assert_close(found.surface.loss["union"], (found.surface.loss["a"] + found.surface.loss["b"]) / 2)


def test_a_merged_model_off_the_line_spans_the_plane():
    _, found = LossLandscape(merging=TaskArithmetic(scaling_factor=0.9), models=["a", "c"], resolution=3).measure(
        MODELS, Runtime(scorer=tasks("abc"))
    )
    assert found.points["merged"][1] > 0
    assert list(found.surface.loss) == ["a", "c", "union"]
    assert "pretrained" in found.points  # task arithmetic stays in the plane of the three


def test_files(tmp_path):
    runtime = Runtime(scorer=tasks(), log_dir=tmp_path)
    merged = LossLandscape(resolution=3).run(MODELS, runtime)
    stored = load_file(tmp_path / "loss_landscape.safetensors")
    assert stored["loss/union"].shape == (len(stored["y"]), len(stored["x"]))
    assert {name.split("/")[0] for name in stored} == {"x", "y", "loss", "accuracy"}
    points = json.loads((tmp_path / "loss_landscape.json").read_text())["points"]
    assert points["merged"]["scores"]["a"]["loss"] == pytest.approx(tasks().evaluate(merged)["a"]["loss"], rel=1e-4)
    assert (tmp_path / "loss_landscape.png").read_bytes().startswith(b"\x89PNG")


def test_without_a_log_directory_nothing_is_written_and_nothing_changed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = {name: {key: t.clone() for key, t in model.state_dict().items()} for name, model in MODELS.items()}
    LossLandscape(resolution=2).run(MODELS, Runtime(scorer=tasks()))
    assert not list(Path.cwd().iterdir())
    for name, model in MODELS.items():
        assert all(torch.equal(tensor, before[name][key]) for key, tensor in model.state_dict().items())


def test_batch_norms_are_estimated_at_each_point():
    models = {name: make_net("resnet_bn", seed) for seed, name in enumerate("ab")}
    images = inputs_for("resnet_bn", 24)
    pool = BaseModelPool(models, train_datasets=dict.fromkeys("ab", images))
    scorer = Distance(models, images[:4])
    losses = []
    for limit in (None, 0):
        method = LossLandscape(merging=WeightZip(statistics="none"), resolution=2, statistics_images=limit)
        losses.append(method.measure(pool, Runtime(scorer=scorer))[1].surface.loss["a"])
    assert not torch.allclose(*losses)
    assert all(torch.isfinite(one).all() for one in losses)


class TestErrors:
    def test_no_scorer(self):
        with pytest.raises(ValueError, match="takes a task pool that scores models"):
            LossLandscape().run(MODELS)

    def test_no_tasks(self):
        with pytest.raises(ValueError, match="takes a task pool with tasks"):
            LossLandscape().run(MODELS, Runtime(scorer=Distance({}, INPUTS)))

    def test_not_two_models(self):
        with pytest.raises(ValueError, match=r"takes two models, got \['a'\]"):
            LossLandscape().run({"a": linear(1)}, Runtime(scorer=tasks()))
        with pytest.raises(KeyError, match="no model 'z'"):
            LossLandscape(models=["a", "z"]).run(MODELS, Runtime(scorer=tasks()))

    def test_one_line_and_no_pretrained_model(self):
        models = {name: MODELS[name] for name in "ab"}
        with pytest.raises(ValueError, match=r"not determined: .* lie on one line.*_pretrained_"):
            LossLandscape().run(models, Runtime(scorer=tasks()))

    def test_a_merged_model_of_another_architecture(self):
        models = {name: make_net("mlp", seed) for seed, name in enumerate("ab")}
        method = LossLandscape(merging=WeightZip(statistics="none", separate=["fc3.*"]))
        with pytest.raises(ValueError, match="has other tensors than the models"):
            method.run(models, Runtime(scorer=tasks()))

    def test_no_method(self):
        with pytest.raises(TypeError, match="merging must be a method, got a Linear"):
            LossLandscape(merging=linear(0)).run(MODELS, Runtime(scorer=tasks()))

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"resolution": 1}, "resolution must be at least 2, got 1"),
            ({"margin": -1}, "margin must be 0 or more, got -1"),
            ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
            ({"statistics_images": -1}, "statistics_images must be 0 or more, got -1"),
        ],
    )
    def test_wrong_options(self, options, message):
        with pytest.raises(ValueError, match=message):
            LossLandscape(**options)


def test_only_what_is_used_is_read():
    assert LossLandscape(models=["c", "a"]).loaded_names(BaseModelPool(MODELS)) == ["_pretrained_", "c", "a"]
