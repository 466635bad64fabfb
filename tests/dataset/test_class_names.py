"""Class names and prompts of the published suites: as many as there must be, in the order of the labels."""

import pytest
import yaml
from suite_table import TABLE

from fusion_bench.dataset import registry
from fusion_bench.dataset.registry import class_names

# Labels that are easily confused, as the data sets number them.
LABELS = {
    "sun397": {0: "abbey", 6: "amusement park", 396: "youth hostel"},
    "stanford-cars": {
        0: "AM General Hummer SUV 2000",
        5: "Acura Integra Type R 2001",
        195: "smart fortwo Convertible 2012",
    },
    "resisc45": {0: "airplane", 44: "wetland"},
    "eurosat": {0: "annual crop land", 2: "brushland or shrubland", 7: "residential buildings or homes or apartments"},
    "svhn": {0: "0"},
    "gtsrb": {14: "stop", 17: "red circle with white horizonal stripe no entry"},
    "dtd": {0: "banded", 30: "polka-dotted"},
    "oxford_flowers102": {0: "pink primrose", 92: "air plant", 101: "blackberry lily"},
    "pcam": {1: "lymph node containing metastatic tumor tissue"},
    "fer2013": {0: "angry", 4: "neutral", 6: "surprised"},
    "oxford-iiit-pet": {0: "Abyssinian", 1: "american bulldog", 5: "Bengal", 36: "yorkshire terrier"},
    "stl10": {2: "car", 7: "monkey"},
    "cifar100": {1: "aquarium fish", 26: "crab", 99: "worm"},
    "cifar10": {1: "automobile", 9: "truck"},
    "food101": {0: "apple pie", 100: "waffles"},
    "fashion_mnist": {0: "T - shirt / top", 9: "Ankle boot"},
    "emnist_letters": {0: "A", 13: "N", 24: "Y"},
    "kmnist": {0: "お", 9: "を"},
    "rendered-sst2": {0: "negative"},
    "mnist": {9: "9"},
}


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.task)
def test_counts_and_labels(row):
    names = class_names(row.task)
    assert (len(names.classnames), len(names.templates)) == (row.classes, row.templates)
    for label, name in LABELS[row.task].items():
        assert names.classnames[label] == name


def test_prompts():
    assert class_names("svhn").templates == class_names("mnist").templates == ('a photo of the number: "{}".',)
    assert class_names("food101").templates == ("a photo of {}, a type of food.",)
    assert class_names("gtsrb").templates[0] == 'a zoomed in photo of a "{}" traffic sign.'
    assert class_names("stanford-cars").templates[3] == "i love my {}!"


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.task)
def test_the_first_lines_name_the_source(row):
    content = yaml.safe_load((registry._FOLDER / f"{row.task}.yaml").read_text(encoding="utf-8"))
    assert next(iter(content)) == "source"
    assert set(content) == {"source", "classnames", "templates"}
    assert "CLIP" in content["source"] or "published" in content["source"]
