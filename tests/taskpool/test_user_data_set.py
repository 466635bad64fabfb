"""A data set of the user's, from outside the package: one YAML file and pictures, on the command line and in Python."""

import json
import logging
import sys

import pytest
from clip_files import make_rows

from fusion_bench.modelpool.clip_vision import CLIPVisionModelPool
from fusion_bench.taskpool.clip_vision import CLIPVisionModelTaskPool

FILE = """\
classnames: ["no", robin, heron]
templates: ["a photo of a {}, a bird.", "a blurry photo of a {}."]
path: pictures
splits: {test: held_back}
image_column: photo
label_column: kind
"""


@pytest.fixture
def birds(tmp_path, monkeypatch):
    import datasets

    monkeypatch.chdir(tmp_path)
    (tmp_path / "my" / "pictures").mkdir(parents=True)
    (tmp_path / "my" / "birds.yaml").write_text(FILE, encoding="utf-8")
    names = ["no", "robin", "heron"]
    rows = [{"photo": row["image"], "kind": names[row["label"]]} for row in make_rows(6, 3)]
    features = datasets.Features({"photo": datasets.Image(), "kind": datasets.Value("string")})
    for split in ("held_back", "train"):
        datasets.Dataset.from_list(rows, features=features).to_parquet(
            tmp_path / "my" / "pictures" / f"{split}.parquet"
        )
    return "my/birds.yaml"


def test_from_python(birds, tiny_clip_dir):
    pool = CLIPVisionModelTaskPool({"birds": birds}, base_model=str(tiny_clip_dir))
    assert pool.config.test_datasets == {"birds": birds}
    model = CLIPVisionModelPool({"_pretrained_": str(tiny_clip_dir)}).load_pretrained_model()
    predictions = pool.predict(model, "birds")
    assert predictions.labels.tolist() == [row["label"] for row in make_rows(6, 3)]
    assert pool.evaluate(model).scores["birds"].accuracy == predictions.correct.float().mean()
    assert len(pool.training_images("birds", birds)) == 6


def test_on_the_command_line(birds, tiny_clip_dir, tmp_path, monkeypatch):
    from fusion_bench.cli.main import main

    overrides = [
        "modelpool=CLIPVisionModelPool/clip-vit-base-patch32_individual",
        f"modelpool.base_model={tiny_clip_dir}",
        "taskpool=CLIPVisionModelTaskPool/_template",
        f"taskpool.base_model={tiny_clip_dir}",
        f"taskpool.test_datasets.birds={birds}",
        "fabric/loggers=none",
        "path.log_dir=out",
        "print_config=false",
    ]
    root = logging.getLogger()
    for name, before in (("handlers", root.handlers[:]), ("level", root.level)):
        monkeypatch.setattr(root, name, before)
    monkeypatch.setattr(sys, "argv", ["fusion_bench", *overrides])
    main()
    report = json.loads((tmp_path / "out" / "program_report.json").read_text(encoding="utf-8"))
    assert set(report["birds"]) == {"accuracy", "loss"}
