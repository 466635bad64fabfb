"""Image classifiers in a pool: saved and read back, refused when they are not what they say, their training images."""

import json

import numpy as np
import pytest
import torch
from helpers import same_tensors
from nets import hf_convnext, hf_resnet
from PIL import Image
from torch import nn

from fusion_bench.modelpool import ImageClassificationModelPool
from fusion_bench.models.cifar_resnet import CifarResNet
from fusion_bench.models.mlp import MLP
from fusion_bench.models.vgg import VGG

SMALL = {
    "mlp": lambda: MLP(12, [5, 4], 3, bias=False),
    "vgg": lambda: VGG([[4], [4, 6]], 8, 3, in_channels=1, hidden=[5], batch_norm=False),
    "resnet": lambda: CifarResNet((4, 8), (1, 2), 3, in_channels=1, norm_groups=2),
}


@pytest.mark.parametrize("name", SMALL)
def test_a_small_network_is_saved_as_safetensors_and_json_and_comes_back(name, tmp_path):
    model = SMALL[name]()
    ImageClassificationModelPool({}).save_model(model, tmp_path / "it")
    assert sorted(path.name for path in (tmp_path / "it").iterdir()) == ["config.json", "model.safetensors"]
    pool = ImageClassificationModelPool({"it": str(tmp_path / "it")})
    loaded = pool.load_model("it")
    assert type(loaded) is type(model)
    assert loaded.arguments == model.arguments
    assert same_tensors(loaded.state_dict(), model.state_dict())
    assert not loaded.training
    assert pool.load_model("it") is not loaded
    (needed,) = pool.needed(["it"])
    assert {file.name for file in needed.obtain()[1]} == {"config.json", "model.safetensors"}


def test_the_dtype_is_that_of_the_weights(tmp_path):
    ImageClassificationModelPool({}).save_model(SMALL["mlp"]().to(torch.bfloat16), tmp_path / "it")
    loaded = ImageClassificationModelPool({"it": str(tmp_path / "it")}).load_model("it")
    assert loaded.fc1.weight.dtype == torch.bfloat16


@pytest.mark.parametrize("make", [lambda: hf_resnet("basic"), hf_convnext], ids=["resnet", "convnext"])
def test_a_classifier_of_transformers_comes_back_as_its_class(make, tmp_path):
    model = make()
    model.save_pretrained(tmp_path / "it")
    loaded = ImageClassificationModelPool({"it": str(tmp_path / "it")}).load_model("it")
    assert type(loaded) is type(model)
    assert same_tensors(loaded.state_dict(), model.state_dict())


def test_the_processor_goes_along_with_a_saved_model(tmp_path):
    from transformers import ViTImageProcessor

    ViTImageProcessor(size={"height": 8, "width": 8}).save_pretrained(tmp_path / "processor")
    pool = ImageClassificationModelPool({}, processor=str(tmp_path / "processor"))
    pool.save_model(SMALL["mlp"](), tmp_path / "it")
    beside = ImageClassificationModelPool({"it": str(tmp_path / "it")}).load_processor()
    assert beside.size == {"height": 8, "width": 8}


class TestErrors:
    def test_a_backbone_without_its_head(self, tmp_path):
        model = hf_resnet("basic")
        model.resnet.save_pretrained(tmp_path / "it")
        with pytest.raises(ValueError, match=r"lacks 'classifier.*without a head"):
            ImageClassificationModelPool({"it": str(tmp_path / "it")}).load_model("it")

    def test_no_such_directory(self, tmp_path):
        with pytest.raises(FileNotFoundError, match="model 'it'"):
            ImageClassificationModelPool({"it": str(tmp_path / "nowhere")}).load_model("it")

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"fusion_bench_architecture": "Net"}, "holds a network 'Net'; known are MLP, VGG, CifarResNet"),
            ({"arguments": {"in_features": 12, "widths": [6], "num_outputs": 3}}, "do not fit"),
            ({"arguments": {"depth": 3}}, "do not fit"),
        ],
    )
    def test_a_configuration_that_is_not_that_of_the_weights(self, change, message, tmp_path):
        ImageClassificationModelPool({}).save_model(SMALL["mlp"](), tmp_path / "it")
        file = tmp_path / "it" / "config.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
        with pytest.raises(ValueError, match=message):
            ImageClassificationModelPool({"it": str(tmp_path / "it")}).load_model("it")

    def test_no_processor(self):
        with pytest.raises(ValueError, match="no processor, and no model given by path"):
            ImageClassificationModelPool({"it": SMALL["mlp"]()}).load_processor()


def brightness(image: Image.Image) -> torch.Tensor:
    return torch.tensor([float(np.asarray(image).mean())])


def test_training_images_are_those_of_the_classes_of_the_task():
    rows = [{"image": np.full((2, 2, 3), 10 * label, dtype=np.uint8), "label": label} for label in (0, 1, 2, 1, 3)]
    entry = {"dataset": rows, "classnames": list("abcd"), "classes": ["d", 1]}
    pool = ImageClassificationModelPool({"x": nn.Identity()}, processor=brightness, train_datasets={"x": entry})
    generator = torch.Generator().manual_seed(0)
    (batch,) = pool.input_batches(["x"], batch_size=9, limit=None, generator=generator)
    assert sorted(batch.flatten().tolist()) == [10, 10, 30]
