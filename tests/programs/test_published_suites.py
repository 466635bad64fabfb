"""The published suites from end to end on local copies at reduced size: small real images, tiny random models."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from clip_files import make_clip, write_clip
from suite_table import SUITES, TABLE

from fusion_bench.cli.main import main
from fusion_bench.suites.shipped import shipped_directory

IMAGES = 4
SHAPES = {
    "clip-vit-base-patch32": {},
    "clip-vit-base-patch16": {"patch_size": 4},
    "clip-vit-large-patch14": {"hidden": 48},
}
COLUMNS = {"fer2013": ("jpg", "cls"), "cifar100": ("img", "fine_label")}


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    """Every data set with four photographed digits in each split it is known to have."""
    root = tmp_path_factory.mktemp("data")
    images = pq.read_table(shipped_directory("tiny8/mnist") / "test.parquet")["image"].slice(0, IMAGES)
    for row in TABLE:
        labels = [index % row.classes for index in range(IMAGES)]
        image, label = COLUMNS.get(row.task, ("image", "label"))
        column = pa.array([bool(value) for value in labels] if row.task == "pcam" else labels)
        folder = root / row.path / "data"
        folder.mkdir(parents=True)
        for split in {"train", row.test}:
            pq.write_table(pa.table({image: images, label: column}), folder / f"{split}-00000-of-00001.parquet")
    return root


def write_models(root, backbone, tasks):
    write_clip(root / "openai" / backbone, **SHAPES[backbone])
    for seed, task in enumerate(tasks, start=1):
        tower = make_clip(seed, **SHAPES[backbone]).vision_model
        tower.save_pretrained(root / "tanganke" / f"{backbone}_{task}")


@pytest.mark.usefixtures("no_network", "logging_put_back")
@pytest.mark.parametrize(
    ("backbone", "suite", "ending"),
    [
        ("clip-vit-base-patch32", "TALL20", ""),
        ("clip-vit-base-patch16", "TA8", "_B16"),
        ("clip-vit-large-patch14", "TALL10", "_L14"),
    ],
)
def test_a_suite_of_each_backbone_runs(backbone, suite, ending, data_dir, tmp_path, monkeypatch):
    tasks = [row.task for row in TABLE[: SUITES[suite]]]
    write_models(tmp_path / "models", backbone, tasks)
    pools = [f"modelpool=CLIPVisionModelPool/{backbone}_{suite}"]
    pools.append(f"taskpool=CLIPVisionModelTaskPool/clip-vit-classification_{suite}{ending}")
    paths = [f"path.model_dir={tmp_path / 'models'}", f"path.data_dir={data_dir}", f"path.log_dir={tmp_path / 'run'}"]
    options = ["method=opcm/weight_average", "method.evaluate=diagonal", "seed=0", "fabric/loggers=none"]
    monkeypatch.setattr("sys.argv", ["fusion_bench", *pools, *paths, *options])
    main()
    report = json.loads((tmp_path / "run" / "program_report.json").read_text())
    assert sorted(set(report) & set(tasks)) == sorted(tasks)
    for task in tasks:
        assert report[task]["accuracy"] in {hits / IMAGES for hits in range(IMAGES + 1)}
    continual = json.loads((tmp_path / "run" / "continual_report.json").read_text())
    assert len(continual["order"]) == len(tasks)


@pytest.mark.usefixtures("no_network", "logging_put_back")
def test_the_backbone_of_the_task_pool_can_be_given_by_hand(data_dir, tmp_path, monkeypatch, capsys):
    backbone = "clip-vit-base-patch16"
    write_models(tmp_path / "models", backbone, ["mnist", "svhn"])
    write_clip(tmp_path / "models" / "openai" / "clip-vit-base-patch32")
    pool = [f"modelpool=CLIPVisionModelPool/{backbone}_individual", "method=dummy"]
    pool += [f"modelpool.base_model=tanganke/{backbone}_mnist"]
    paths = [f"path.model_dir={tmp_path / 'models'}", f"path.data_dir={data_dir}", f"path.log_dir={tmp_path / 'run'}"]
    task = ["taskpool=CLIPVisionModelTaskPool/clip-vit-single-task_mnist", "fabric/loggers=none"]
    monkeypatch.setattr("sys.argv", ["fusion_bench", *pool, *paths, *task])
    with pytest.raises(SystemExit, match=f"{backbone}_mnist.*patch_size 4.*clip-vit-base-patch32.* 8"):
        main()
    monkeypatch.setattr("sys.argv", ["fusion_bench", *pool, *paths, *task, f"taskpool.base_model=openai/{backbone}"])
    main()
    assert json.loads((tmp_path / "run" / "program_report.json").read_text())["mnist"]["accuracy"] <= 1
