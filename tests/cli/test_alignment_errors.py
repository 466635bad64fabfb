"""What the alignment methods cannot do, said from the command line in one message."""

import numpy as np
import pytest
import torch
from PIL import Image

from fusion_bench.modelpool import ImageClassificationModelPool
from fusion_bench.models.cifar_resnet import CifarResNet
from fusion_bench.models.mlp import MLP


@pytest.fixture
def networks(tmp_path):
    """Directories of networks, and of images that fit them."""
    made = {name: MLP(48, [8, 6], 3) for name in ("a", "b", "dead", "nan", "huge")}
    made |= {"resnet": CifarResNet((4, 8), (1, 1), 3), "wide": MLP(48, [9, 6], 3)}
    with torch.no_grad():
        made["dead"].fc1.weight[0], made["dead"].fc1.bias[0] = 0, -1
        made["nan"].fc2.weight[0, 0] = float("nan")
        for parameter in made["huge"].parameters():
            parameter.fill_(1e30)
    for name, network in made.items():
        ImageClassificationModelPool({}).save_model(network, tmp_path / name)
    for index in range(6):
        file = tmp_path / "images" / "train" / f"class {index % 3}" / f"{index}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.random.default_rng(index).integers(0, 255, (4, 4, 3), dtype=np.uint8)).save(file)
    return tmp_path


@pytest.fixture
def pool(networks):
    """Options that choose some of the networks, with training data of some."""

    def options(*names, data=()):
        models = ",".join(f"{name}: {networks / name}" for name in names)
        described = ",".join(f"{name}: {{path: {networks / 'images'}, split: train}}" for name in data)
        size = "{height: 4, width: 4}"
        return [
            "modelpool=ImageClassificationModelPool/_template",
            f"modelpool.models={{{models}}}",
            f"modelpool.train_datasets={{{described}}}",
            f"modelpool.processor={{_target_: transformers.ViTImageProcessor, size: {size}}}",
            "taskpool=dummy",
            "fabric/loggers=none",
            f"path.log_dir={networks / 'run'}",
        ]

    return options


@pytest.mark.parametrize(
    ("names", "data", "message"),
    [
        (("a", "resnet"), (), "model 'resnet' is a CifarResNet, 'a' a MLP: units can be matched between models of one"),
        (
            ("a", "wide"),
            (),
            "'wide': tensor 'fc1.weight' has shape (9, 48), expected (8, 48) as in 'a'; only models of",
        ),
        (("a", "nan"), ("a", "nan"), "model 'nan': tensor 'fc2.weight' has 1 of 48 entries that are NaN or Inf"),
        (("a", "huge"), ("a", "huge"), "model 'huge' computes NaN or infinite activations at 'fc3'"),
        (("a", "b"), (), "has none for ['a', 'b']; give it train_datasets, or compare weights alone with alpha=1"),
        (("a", "b"), ("a",), "has none for ['b']; give it train_datasets"),
    ],
)
def test_what_cannot_be_merged(error_of, pool, names, data, message):
    assert message in error_of("method=mudsc/mudsc", *pool(*names, data=data))


def test_a_dead_unit_and_one_model_are_no_errors(command, pool, networks):
    saved = networks / "merged"
    for names in (("a", "dead"), ("a",)):
        command(
            "method=mudsc/mudsc", *pool(*names, data=names), f"merged_model_save_path={saved}", "report_save_path=null"
        )
        merged = ImageClassificationModelPool({"it": str(saved)}).load_params("it")
        assert all(bool(torch.isfinite(tensor).all()) for tensor in merged.values())
    alone = ImageClassificationModelPool({"a": str(networks / "a")}).load_params("a")
    assert all(torch.equal(tensor, merged[name]) for name, tensor in alone.items())
