"""Every shipped file of tiny8: its hash, its counts, its labels, and that nothing is in two splits."""

import hashlib
import itertools
from functools import cache

import pyarrow.parquet as pq
import pytest

from fusion_bench.dataset.loading import load_image_classification
from fusion_bench.dataset.registry import class_names
from fusion_bench.suites import shipped

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
