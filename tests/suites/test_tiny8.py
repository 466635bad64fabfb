"""Every shipped file of tiny8: hashes, counts, labels, that nothing is in two splits, and that the models load."""

import hashlib
import itertools
import json
from functools import cache

import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file
from transformers import CLIPModel, CLIPProcessor, CLIPVisionModel

from fusion_bench.dataset.loading import load_image_classification
from fusion_bench.dataset.registry import class_names
from fusion_bench.modelpool import CLIPVisionModelPool
from fusion_bench.suites import shipped
from fusion_bench.taskpool import CLIPVisionModelTaskPool

COUNTS = {
    "emoji": (9, 1798, 300, 800),
    "style": (4, 1800, 300, 800),
    "clipart": (14, 1324, 260, 800),
    "letters": (26, 1800, 300, 800),
    "scripts": (14, 1750, 288, 784),
    "fashion": (10, 1800, 300, 800),
    "mnist": (10, 1800, 300, 800),
    "digits": (10, 900, 250, 647),
}
SPLITS = ("train", "validation", "test")
SHARED_IDENTITIES = (("emoji", "style"), ("letters", "scripts"))  # tasks made of the same things


@cache
def columns(task, split):
    directory = shipped.shipped_directory(f"tiny8/{task}")
    return pq.read_table(directory / f"{split}.parquet").to_pydict()


def image_hashes(task, split):
    return {hashlib.sha256(image["bytes"]).hexdigest() for image in columns(task, split)["image"]}


def test_every_file_has_the_hash_of_the_manifest():
    shipped.verify("tiny8")
    listed = set(shipped.manifest("tiny8"))
    root = shipped.ROOT / "tiny8"
    there = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}
    assert there == listed | {shipped.MANIFEST}


@pytest.mark.parametrize("task", COUNTS)
def test_counts_and_labels(task):
    classes, *sizes = COUNTS[task]
    names = class_names(f"tiny8/{task}").classnames
    assert len(names) == classes
    for split, size in zip(SPLITS, sizes, strict=True):
        table = columns(task, split)
        assert len(table["label"]) == size
        assert set(table["label"]) == set(range(classes))
        assert all(table["identity"])


@pytest.mark.parametrize("task", COUNTS)
def test_images_load_as_they_are_used(task):
    images = load_image_classification(f"tiny8/{task}", split="validation")
    assert images.classnames in (None, class_names(f"tiny8/{task}").classnames)
    image, label = images[len(images) - 1]
    assert (image.size, image.mode) == ((32, 32), "RGB")
    assert label == columns(task, "validation")["label"][-1]


@pytest.mark.parametrize("task", COUNTS)
@pytest.mark.parametrize(("first", "second"), list(itertools.combinations(SPLITS, 2)))
def test_splits_share_neither_images_nor_identities(task, first, second):
    assert not image_hashes(task, first) & image_hashes(task, second)
    assert not set(columns(task, first)["identity"]) & set(columns(task, second)["identity"])


@pytest.mark.parametrize("tasks", SHARED_IDENTITIES)
@pytest.mark.parametrize(("first", "second"), list(itertools.permutations(SPLITS, 2)))
def test_tasks_of_the_same_things_split_them_alike(tasks, first, second):
    assert not set(columns(tasks[0], first)["identity"]) & set(columns(tasks[1], second)["identity"])


@pytest.mark.parametrize("task", COUNTS)
def test_every_task_has_a_data_card(task):
    card = (shipped.shipped_directory(f"tiny8/{task}") / "README.md").read_text(encoding="utf-8")
    for heading in ("license:", "## Sources and licences", "## Splits"):
        assert heading in card


# ---- models

MODELS = ("clip-vit-tiny", *(f"clip-vit-tiny_{task}" for task in COUNTS))


def test_data_and_weights_stay_small():
    root = shipped.ROOT / "tiny8"
    assert sum((root / file).stat().st_size for file in shipped.manifest("tiny8")) <= 80e6


@pytest.mark.parametrize("model", MODELS)
def test_every_checkpoint_loads_with_transformers(model):
    directory = shipped.shipped_directory(f"tiny8/{model}")
    kind = CLIPModel if model == MODELS[0] else CLIPVisionModel
    loaded, report = kind.from_pretrained(directory, output_loading_info=True, local_files_only=True)
    assert not any(report.values())
    assert all(bool(tensor.isfinite().all()) for tensor in loaded.state_dict().values())
    assert {tensor.dtype for tensor in load_file(directory / "model.safetensors").values()} == {torch.float16}
    config = getattr(loaded.config, "vision_config", loaded.config)
    assert (config.hidden_size, config.num_hidden_layers, config.patch_size, config.image_size) == (192, 6, 8, 32)


def test_the_base_has_its_own_tokenizer_and_image_processor():
    processor = CLIPProcessor.from_pretrained(shipped.shipped_directory("tiny8/clip-vit-tiny"), local_files_only=True)
    text = "a handwritten digit seven"
    ids = processor.tokenizer(text)["input_ids"]
    assert processor.tokenizer.decode(ids, skip_special_tokens=True).strip() == text
    assert len(processor.tokenizer) < 49408


def test_fine_tuning_changed_the_vision_tower_and_nothing_of_another_shape():
    pool = CLIPVisionModelPool({model: f"tiny8/{model}" for model in MODELS})
    base = pool.load_params(MODELS[0])
    for model in MODELS[1:]:
        tuned = pool.load_params(model)
        assert {name: tensor.shape for name, tensor in tuned.items()} == {name: t.shape for name, t in base.items()}
        assert any(not torch.equal(tuned[name], base[name]) for name in base)


@pytest.mark.parametrize("task", ["mnist", "digits"])
def test_accuracies_are_those_on_the_page(task):
    pool = CLIPVisionModelPool({task: f"tiny8/clip-vit-tiny_{task}"})
    entry = {"dataset": {"path": f"tiny8/{task}", "split": "test"}, "classnames": f"tiny8/{task}"}
    report = CLIPVisionModelTaskPool({task: entry}, base_model="tiny8/clip-vit-tiny").evaluate(pool.load_model(task))
    recorded = json.loads((shipped.ROOT / "tiny8" / "individual.json").read_text(encoding="utf-8"))
    images = COUNTS[task][-1]
    assert report[task]["accuracy"] == pytest.approx(recorded[task], abs=1.5 / images)  # another processor rounds anew
    assert set(recorded) == set(COUNTS)
