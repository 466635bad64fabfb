"""The published suites, written down once more to check files against: task, classes, prompts, data set, its splits."""

from typing import NamedTuple


class Row(NamedTuple):
    task: str
    classes: int
    templates: int
    path: str
    test: str = "test"
    validation: str | None = None  # None where the data set has no validation split


TABLE = [
    Row("sun397", 397, 2, "tanganke/sun397"),
    Row("stanford-cars", 196, 8, "tanganke/stanford_cars"),
    Row("resisc45", 45, 18, "tanganke/resisc45"),
    Row("eurosat", 10, 3, "tanganke/eurosat"),
    Row("svhn", 10, 1, "ufldl-stanford/svhn"),
    Row("gtsrb", 43, 3, "tanganke/gtsrb"),
    Row("mnist", 10, 1, "ylecun/mnist"),
    Row("dtd", 47, 8, "tanganke/dtd"),
    Row("oxford_flowers102", 102, 1, "dpdl-benchmark/oxford_flowers102", validation="validation"),
    Row("pcam", 2, 1, "1aurent/PatchCamelyon", validation="valid"),
    Row("fer2013", 7, 6, "clip-benchmark/wds_fer2013"),
    Row("oxford-iiit-pet", 37, 1, "timm/oxford-iiit-pet"),
    Row("stl10", 10, 2, "tanganke/stl10"),
    Row("cifar100", 100, 18, "tanganke/cifar100"),
    Row("cifar10", 10, 18, "tanganke/cifar10"),
    Row("food101", 101, 1, "ethz/food101", test="validation"),
    Row("fashion_mnist", 10, 2, "zalando-datasets/fashion_mnist"),
    Row("emnist_letters", 26, 1, "tanganke/emnist_letters"),
    Row("kmnist", 10, 1, "tanganke/kmnist"),
    Row("rendered-sst2", 2, 1, "nateraw/rendered-sst2", validation="validation"),
]
TASKS = [row.task for row in TABLE]
SUITES = {"TA8": 8, "TALL10": 10, "TALL12": 12, "TALL14": 14, "TALL16": 16, "TALL18": 18, "TALL20": 20}
BACKBONES = {"clip-vit-base-patch32": "", "clip-vit-base-patch16": "_B16", "clip-vit-large-patch14": "_L14"}
