"""Classifiers with heads for other numbers of classes, merged and scored from the command line."""

import json
import sys

import pytest
import torch
from clip_files import make_images
from omegaconf import OmegaConf

from fusion_bench.cli.main import main
from fusion_bench.method.mudsc import ActivationZip, MuDSCAlign
from fusion_bench.modelpool import ImageClassificationModelPool
from fusion_bench.models.cifar_resnet import CifarResNet
from fusion_bench.models.mlp import MLP

CLASSES = {"two": 2, "three": 3}


@pytest.fixture(params=["mlp", "resnet"])
def arguments(request, tmp_path, monkeypatch):
    """A pool of two networks of different numbers of classes, with pictures in folders."""
    monkeypatch.chdir(tmp_path)
    models, train, test = {}, {}, {}
    for seed, (name, classes) in enumerate(CLASSES.items()):
        torch.manual_seed(seed)
        net = MLP(768, [8, 6], classes) if request.param == "mlp" else CifarResNet((4, 8), (1, 1), classes)
        ImageClassificationModelPool({}).save_model(net, tmp_path / name)
        models[name] = str(tmp_path / name)
        for index, image in enumerate(make_images(4 * classes, seed=seed)):
            file = tmp_path / "images" / name / "train" / f"class {index % classes}" / f"{index}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            image.convert("RGB").resize((16, 16)).save(file)
        described = {"path": str(tmp_path / "images" / name), "split": "train"}
        train[name] = described
        test[name] = {"dataset": described, "classnames": [f"class {number}" for number in range(classes)]}
    processor = {"_target_": "transformers.ViTImageProcessor", "size": {"height": 16, "width": 16}}
    pools = {
        "modelpool": {"models": models, "train_datasets": train, "processor": processor},
        "taskpool": {"test_datasets": test, "heads": "task", "processor": processor, "pixel_cache_gib": 0},
    }
    for key, part in pools.items():
        target = f"fusion_bench.{key}.ImageClassification{key.replace('pool', '').title()}Pool"
        (tmp_path / "config" / key).mkdir(parents=True)
        OmegaConf.save(OmegaConf.create({"_target_": target, **part}), tmp_path / "config" / key / "mine.yaml")
    head = {"mlp": "fc3.*", "resnet": "linear.*"}[request.param]
    fixed = ["modelpool=mine", "taskpool=mine", "fabric/loggers=none", f"path.log_dir={tmp_path / 'run'}"]
    options = [*fixed, f"--config-dir={tmp_path / 'config'}", "print_config=false"]

    def call(*more):
        monkeypatch.setattr(sys, "argv", ["fusion_bench", *options, *more])
        main()

    call.head, call.models, call.run = head, models, tmp_path / "run"
    return call


@pytest.mark.parametrize("method", ["mudsc_zip", "mudsc_align", "weight_zip"])
def test_heads_of_each_task_stay_apart(arguments, method):
    arguments(f"method=mudsc/{method}", f"method.separate=[{arguments.head}]")
    report = json.loads((arguments.run / "program_report.json").read_text())
    assert {*CLASSES, "joint", "average"} <= set(report)
    sizes = [
        sum(p.numel() for p in ImageClassificationModelPool(arguments.models).load_model(n).parameters())
        for n in CLASSES
    ]
    assert max(sizes) < report["model_info"]["all_params"] < sum(sizes)  # one trunk, two heads


def test_a_merged_head_is_refused_with_what_to_do(arguments):
    with pytest.raises(SystemExit) as ended:
        arguments("method=mudsc/weight_align")
    message = str(ended.value.code)
    assert "expected (2" in message
    assert "separate=['classifier.*']" in message


def test_each_network_has_the_classes_of_its_model(arguments):
    pool = ImageClassificationModelPool(
        arguments.models, train_datasets=dict.fromkeys(CLASSES, torch.randn(20, 3, 16, 16))
    )
    for method in (ActivationZip, MuDSCAlign):
        merged = method(separate=[arguments.head]).run(pool)
        outputs = merged(torch.randn(4, 3, 16, 16))
        assert {name: value.shape[1] for name, value in outputs.items()} == CLASSES
