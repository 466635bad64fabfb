"""Which files the description of a task stands for, and the local copy it is replaced by."""

import pytest
from clip_files import make_rows

from fusion_bench.dataset.sources import localised, task_needed
from fusion_bench.dataset.task import ClassificationTask
from fusion_bench.modelpool.clip_vision import CLIPVisionModelPool

LOADER = "fusion_bench.dataset.loading.load_image_classification"
FORMS = {
    "id": "someone/mnist",
    "arguments": {"path": "someone/mnist", "split": "test"},
    "target": {"_target_": LOADER, "path": "someone/mnist"},
    "task": {"dataset": "someone/mnist", "classnames": "mnist"},
    "nested": {"dataset": {"path": "someone/mnist", "split": "test"}},
    "object": ClassificationTask(dataset="someone/mnist"),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_found_and_replaced(form, fake_hub):
    [needed] = task_needed("mnist", FORMS[form], data_dir=fake_hub.root / "dataset")
    assert (needed.source, needed.name, needed.kind) == ("someone/mnist", "mnist", "dataset")
    assert [file.name for file in needed.find()[1]] == ["test-00000-of-00001.parquet"]
    replaced = localised(FORMS[form], fake_hub.root / "dataset")
    assert str(fake_hub.root / "dataset" / "someone" / "mnist") in str(replaced)
    assert localised(FORMS[form], None) is FORMS[form]
    assert localised(FORMS[form], fake_hub.root) == FORMS[form]  # which has no copy


@pytest.mark.parametrize("entry", [make_rows(2, 2), {"_target_": "my_package.load", "path": "a/b"}, None])
def test_what_comes_from_elsewhere_is_left_alone(entry, tmp_path):
    assert task_needed("mine", entry) == []
    assert localised(entry, tmp_path) is entry


def test_a_description_in_a_file_too(fake_hub, tmp_path):
    file = tmp_path / "birds.yaml"
    file.write_text("{path: someone/mnist, classnames: [a, b], splits: {validation: test}}", encoding="utf-8")
    for split, stored in (("train", "train"), ("validation", "test")):
        [needed] = task_needed("birds", str(file), split=split, data_dir=fake_hub.root / "dataset")
        assert [path.name for path in needed.find()[1]] == [f"{stored}-00000-of-00001.parquet"]


def test_the_data_of_a_model_pool_too(fake_hub):
    data = {"mnist": {"_target_": LOADER, "path": "someone/mnist", "split": "train"}}
    pool = CLIPVisionModelPool({}, train_datasets=data, data_dir=fake_hub.root / "dataset")
    assert len(pool.load_train_dataset("mnist")) == 8
    assert not fake_hub.asked
    [needed] = pool.training_needed("mnist")
    assert [file.name for file in needed.find()[1]] == ["train-00000-of-00001.parquet"]
    assert pool.training_needed("other") == []
