"""A network whose units were put in the order of another's: the same answers to real images, every one."""

import copy

import numpy as np
import pytest
import torch
from nets import FusedViT
from PIL import Image
from torch import nn
from torch.nn.functional import cross_entropy

from fusion_bench.dataset.task import as_task
from fusion_bench.method.mudsc import ActivationAlign, MuDSCAlign, WeightAlign
from fusion_bench.modelpool import BaseModelPool, CLIPVisionModelPool
from fusion_bench.models.cifar_resnet import CifarResNet
from fusion_bench.models.mlp import MLP
from fusion_bench.models.permutation_registry import spec_for
from fusion_bench.models.permuting import permuted_params, random_permutations
from fusion_bench.taskpool import CLIPVisionModelTaskPool

METHODS = [WeightAlign, lambda: MuDSCAlign(images=64, batch_size=32), lambda: ActivationAlign(images=64, batch_size=32)]


def small_vit() -> nn.Module:
    from transformers import ViTConfig, ViTForImageClassification

    sizes = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 48}
    config = ViTConfig(**sizes, image_size=8, patch_size=2, num_channels=1, num_labels=10)
    return ViTForImageClassification(config)


FAMILIES = {
    "mlp": lambda: MLP(64, [32, 24], 10),
    "resnet": lambda: CifarResNet((8, 12, 16), (1, 1, 1), 10, in_channels=1),
    "gn_resnet": lambda: CifarResNet((8, 12, 16), (1, 1, 1), 10, in_channels=1, norm_groups=4),
    "vit": small_vit,
    "timm": lambda: FusedViT(24, 3, 2, 10),
}


def logits(model: nn.Module, images: torch.Tensor) -> torch.Tensor:
    outputs = model(images)
    return outputs if isinstance(outputs, torch.Tensor) else outputs.logits


@pytest.fixture(scope="module")
def digits() -> tuple[torch.Tensor, torch.Tensor]:
    """Some of the shipped digits, 8 by 8 pixels, and their labels."""
    rows = as_task("mnist", {"path": "tiny8/mnist", "split": "test"}).load("mnist")
    pictures = [rows[index] for index in range(300)]
    small = [np.asarray(image.convert("L").resize((8, 8), Image.Resampling.BILINEAR)) for image, _ in pictures]
    images = torch.from_numpy(np.stack(small)).float().unsqueeze(1) / 127.5 - 1
    return images, torch.tensor([label for _, label in pictures])


def trained(make, digits, seed: int) -> nn.Module:
    """A network that knows more than chance."""
    images, labels = digits
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = make().train()
        optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
        for _ in range(12):
            for part in torch.randperm(len(images)).split(50):
                loss = cross_entropy(logits(model, images[part]), labels[part])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
    return model.eval()


@pytest.mark.parametrize("family", FAMILIES)
def test_a_moved_network_keeps_its_answers(family, digits):
    images, labels = digits
    models = {str(seed): trained(FAMILIES[family], digits, seed) for seed in (0, 1)}
    pool = BaseModelPool(models, train_datasets=dict.fromkeys(models, images))
    with torch.no_grad():
        before = logits(models["1"], images)
        accuracy = (before.argmax(1) == labels).float().mean()
        assert accuracy > 0.3
        for method in METHODS:
            moved = method().moved_models(pool)["1"]
            assert any(
                not torch.equal(tensor, models["1"].state_dict()[name]) for name, tensor in moved.state_dict().items()
            )
            after = logits(moved, images)
            assert (after.argmax(1) == labels).float().mean() == accuracy
            torch.testing.assert_close(after, before, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("residual", [False, True])
def test_a_moved_tower_keeps_its_features_and_accuracy(residual):
    names = {"fashion": "tiny8/clip-vit-tiny_fashion", "mnist": "tiny8/clip-vit-tiny_mnist"}
    data = {name: {"path": f"tiny8/{name}", "split": "train"} for name in names}
    pool = CLIPVisionModelPool({"_pretrained_": "tiny8/clip-vit-tiny", **names}, train_datasets=data)
    tower = pool.load_model("mnist")
    permuted = CLIPVisionModelPool({**names, "mnist": scrambled(tower)}, train_datasets=data)
    moved = MuDSCAlign(images=64, batch_size=32, residual=residual).moved_models(permuted)["mnist"]
    assert not torch.equal(
        moved.encoder.layers[0].mlp.fc1.weight, permuted.load_model("mnist").encoder.layers[0].mlp.fc1.weight
    )
    tasks = {"mnist": {"dataset": {"path": "tiny8/mnist", "split": "test"}, "classnames": "tiny8/mnist"}}
    taskpool = CLIPVisionModelTaskPool(tasks, base_model="tiny8/clip-vit-tiny", pixel_cache_gib=0)
    before, after = (taskpool.evaluate(model).scores["mnist"] for model in (tower, moved))
    assert after.accuracy == before.accuracy > 0.9
    assert after.loss == pytest.approx(before.loss, rel=1e-5)


def scrambled(tower: nn.Module) -> nn.Module:
    """The tower with hidden units of its MLPs and its heads in another order: it computes the same."""
    spec, params = spec_for(tower, residual=False), tower.state_dict()
    moved = copy.deepcopy(tower)
    moved.load_state_dict(
        permuted_params(params, spec, random_permutations(spec, params, torch.Generator().manual_seed(0)))
    )
    return moved
