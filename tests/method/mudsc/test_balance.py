"""The choice of a balance: which one wins, on which data, and what is written about it."""

import json
import math

import pytest
import torch
from helpers import same_tensors
from mudsc_pools import oracle_pool
from nets import make_net
from omegaconf import OmegaConf
from torch import nn

from fusion_bench.method.mudsc import MuDSC, MuDSCAlign, MuDSCZip
from fusion_bench.method.mudsc.balance import agreement, balance_of, report_curve
from fusion_bench.models.task_models import TaskModels
from fusion_bench.runtime import Runtime
from fusion_bench.taskpool import ImageClassificationTaskPool


class Prefers:
    """Evaluates a model by how near it is to a given one."""

    def __init__(self, model: nn.Module) -> None:
        self.wanted = model.state_dict()

    def evaluate(self, model):
        distance = sum(float((tensor - self.wanted[name]).abs().sum()) for name, tensor in model.state_dict().items())
        return {"average": {"accuracy": 1 / (1 + distance)}}


@pytest.mark.parametrize("cls", [MuDSC, MuDSCAlign, MuDSCZip])
def test_the_best_of_the_grid_comes_back_with_the_whole_curve(cls, tmp_path):
    pool = oracle_pool()
    wanted = cls(alpha=0.3).run(pool)
    method = cls(alpha="auto", alphas=[0.0, 0.3, 1.0], alpha_data=Prefers(wanted))
    merged = method.run(pool, Runtime(log_dir=tmp_path))
    assert same_tensors(merged.state_dict(), wanted.state_dict())
    written = json.loads((tmp_path / "alpha_curve.json").read_text())
    assert written["alpha"] == 0.3
    assert written["criterion"] == "accuracy"
    assert [point["alpha"] for point in written["curve"]] == [0.0, 0.3, 1.0]
    assert written["curve"][1]["score"] == 1.0
    assert max(point["score"] for point in written["curve"]) == 1.0


def test_without_labels_the_outputs_of_the_models_decide(tmp_path, caplog):
    pool = oracle_pool()
    grid = [0.0, 0.5, 1.0]
    with caplog.at_level("INFO"):
        merged = MuDSCZip(alpha="auto", alphas=grid, alpha_data="train").run(pool, Runtime(log_dir=tmp_path))
    written = json.loads((tmp_path / "alpha_curve.json").read_text())
    models = [pool.load_model(name).eval() for name in "AB"]
    images = pool.load_train_dataset("A")
    for point in written["curve"]:
        one = MuDSCZip(alpha=point["alpha"]).run(pool).eval()
        cosines = [torch.cosine_similarity(one(images), model(images), dim=1).mean() for model in models]
        assert point["score"] == pytest.approx(float(sum(cosines).detach() / 2), abs=1e-5)
    best = max(written["curve"], key=lambda point: point["score"])
    assert written["alpha"] == best["alpha"]
    assert same_tensors(merged.state_dict(), MuDSCZip(alpha=best["alpha"]).run(pool).state_dict())
    assert f"chooses {best['alpha']:g} by agreement with the models" in caplog.text
    assert all(f"{alpha:g}: " in caplog.text for alpha in grid)


def test_a_task_pool_of_ours_decides_by_joint_accuracy():
    pool = oracle_pool()
    images = pool.load_train_dataset("A")[:40]
    labels = MuDSCZip(alpha=0.0).run(pool).eval()(images).argmax(1)
    outputs = labels.unique().tolist()
    half = len(outputs) // 2
    tasks = {}
    for name, chosen in {"x": outputs[:half], "y": outputs[half:]}.items():
        rows = [
            (image, chosen.index(int(label))) for image, label in zip(images, labels, strict=True) if label in chosen
        ]
        tasks[name] = {"dataset": rows, "classnames": [str(output) for output in chosen]}
    columns = {"x": outputs[:half], "y": outputs[half:]}
    scorer = ImageClassificationTaskPool(tasks, outputs=columns, pixel_cache_gib=0)
    merged = MuDSCZip(alpha="auto", alphas=[1.0, 0.0], alpha_data=scorer).run(pool)
    assert same_tensors(merged.state_dict(), MuDSCZip(alpha=0.0).run(pool).state_dict())


def test_agreement_asks_the_network_of_each_task_and_leaves_modes_alone():
    models = [make_net("mlp", seed).eval() for seed in (0, 1)]
    apart = TaskModels(["a", "b"], models, list(models[0].state_dict()))
    apart.train()
    width, generator = models[0].fc1.in_features, torch.Generator().manual_seed(0)
    inputs = {name: torch.randn(3, 5, width, generator=generator) for name in "ab"}
    assert agreement(apart, ["a", "b"], models, inputs.__getitem__) == pytest.approx(1, abs=1e-6)
    assert apart.training
    negated = make_net("mlp", 0)
    with torch.no_grad():
        last = list(negated.children())[-1]
        last.weight.neg_()
        last.bias.neg_()
    assert agreement(negated, ["a"], models[:1], inputs.__getitem__) == pytest.approx(-1, abs=1e-6)


def test_ties_go_to_the_first_and_what_is_no_number_loses():
    assert report_curve({0.1: math.nan, 0.5: 0.7, 0.9: 0.7}, labelled=True, log_dir=None) == 0.5
    with pytest.raises(ValueError, match="no balance can be chosen"):
        report_curve({0.1: math.nan}, labelled=True, log_dir=None)


def test_a_task_pool_by_its_configuration():
    method = MuDSCZip(alpha="auto", alpha_data={"_target_": "fusion_bench.taskpool.DummyTaskPool"})
    assert OmegaConf.to_container(method.config)["alpha_data"] == {"_target_": "fusion_bench.taskpool.DummyTaskPool"}
    with pytest.raises(ValueError, match="scored no task"):
        method.run(oracle_pool())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"alpha": "best"}, r"alpha must be in \[0, 1\] or 'auto', got 'best'"),
        ({"alpha": "auto"}, "alpha=auto needs alpha_data"),
        ({"alpha": "auto", "alpha_data": "test"}, "must be 'train' or a task pool, got 'test'"),
        ({"alpha": "auto", "alpha_data": "train", "alphas": [0.5, 2]}, r"alphas must list numbers in \[0, 1\]"),
        ({"alpha": "auto", "alpha_data": "train", "alphas": []}, "alphas must list numbers"),
    ],
)
def test_options(options, message):
    with pytest.raises(ValueError, match=message):
        MuDSC(**options)


def test_no_training_data_to_choose_on():
    models = {name: make_net("mlp", seed) for seed, name in enumerate("ab")}
    with pytest.raises(ValueError, match="alpha_data=train takes training data, and the model pool has none for 'a'"):
        MuDSC(alpha="auto", alphas=[1.0], alpha_data="train").run(models)


def test_balance_of_a_number_is_none():
    assert balance_of(0.3, [], None) is None
