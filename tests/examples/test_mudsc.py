"""The experiment with halves of the classes and the scrambled tower: what their helpers give, on tiny inputs."""

import importlib
import sys
from pathlib import Path

import pytest
import torch

from fusion_bench.modelpool import CLIPVisionModelPool

FOLDER = Path(__file__).parents[2] / "examples" / "mudsc"


@pytest.fixture
def example(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    yield importlib.import_module
    for name in ("training", "class_halves", "scrambled"):
        sys.modules.pop(name, None)


def test_halves_are_disjoint_and_random(example):
    halves = example("training").halves
    first = halves(10, 0)
    assert sorted(first["A"] + first["B"]) == list(range(10))
    assert len(first["A"]) == len(first["B"])
    assert halves(10, 0) == first != halves(10, 1)


def test_training_leaves_a_network_that_knows_its_images(example):
    training = example("training")
    images, labels = training.pictures("tiny8/mnist", "train", [0, 1])
    assert images.shape[1:] == (1, 14, 14)
    assert set(labels.tolist()) == {0, 1}
    model = training.train(images[:100], labels[:100], torch.eye(2, 8), epochs=6, seed=0)
    right = model(images[:100])[:, :2].argmax(1) == labels[:100]
    assert right.float().mean() > 0.9


def test_tables(example):
    halves = example("class_halves")
    names = ["weight align", "activation align", "MuDSC-Align 0.5", "weight zip", "activation zip", "MuDSC-Zip 0.5"]
    seeds = [
        {
            name: {"before": 1.0, "after": base + 10.0 * place, "repaired": 2.0, "tasks": 50.0}
            for place, name in enumerate(names)
        }
        for base in (0.0, 2.0)
    ]
    assert "| weight zip | 1.0 ± 0.0 | 31.0 ± 1.4 | 2.0 ± 0.0 | 50.0 ± 0.0 |" in halves.table(seeds)
    assert "| MuDSC-Zip 0.5 | 10.0 ± 0.0 | +10.0, +10.0 |" in halves.comparisons(seeds)


@pytest.mark.parametrize("residual", [False, True])
def test_a_scrambled_tower_holds_the_same_numbers_elsewhere(example, residual):
    pool = CLIPVisionModelPool({"mnist": "tiny8/clip-vit-tiny_mnist"})
    before = pool.load_model("mnist").state_dict()
    after = example("scrambled").scrambled_tower(pool, "mnist", residual, 0).state_dict()
    name = "encoder.layers.0.mlp.fc1.bias"
    assert not torch.equal(after[name], before[name])
    assert torch.equal(after[name].sort().values, before[name].sort().values)
    assert torch.equal(after["post_layernorm.weight"], before["post_layernorm.weight"]) != residual
