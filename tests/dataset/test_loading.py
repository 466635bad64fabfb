"""Data from directories in the usual layouts, without a network, and errors that say what was looked for."""

import datasets
import numpy as np
import pytest
from clip_files import make_images, make_rows

from fusion_bench.dataset import loading
from fusion_bench.dataset.images import LabelledImages
from fusion_bench.dataset.loading import load_image_classification

pytestmark = pytest.mark.usefixtures("no_network")
ROWS = make_rows(5, 3)


@pytest.fixture
def hf_data():
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["a", "b", "c"])})
    return datasets.Dataset.from_list(ROWS, features=features)


def same(images, rows=ROWS):
    assert isinstance(images, LabelledImages)
    assert len(images) == len(rows)
    for (image, label), row in zip(images, rows, strict=True):
        assert np.array_equal(np.asarray(image), np.asarray(row["image"]))
        assert label == row["label"]
    return True


def test_saved_data_set(hf_data, tmp_path):
    hf_data.save_to_disk(tmp_path / "one")
    assert same(load_image_classification(tmp_path / "one"))
    datasets.DatasetDict({"train": hf_data.select([0]), "test": hf_data}).save_to_disk(tmp_path / "dict")
    assert same(load_image_classification(str(tmp_path / "dict"), split="test"))
    with pytest.raises(FileNotFoundError, match=r"no split 'validation' .*it has \['train', 'test'\]"):
        load_image_classification(tmp_path / "dict", split="validation")


@pytest.mark.parametrize("name", ["test.parquet", "data/test-00000-of-00001.parquet"])
def test_parquet(hf_data, tmp_path, name, monkeypatch):
    path = tmp_path / "data_set" / name
    path.parent.mkdir(parents=True)
    hf_data.to_parquet(path)
    assert same(load_image_classification(tmp_path / "data_set", cache_dir=tmp_path / "cache"))
    assert not (tmp_path / "cache").exists()  # small files are read as they are
    monkeypatch.setattr(loading, "_SMALL", 0)
    assert same(load_image_classification(tmp_path / "data_set", cache_dir=tmp_path / "cache"))
    assert (tmp_path / "cache").is_dir()  # cache_dir has an effect
    assert same(
        load_image_classification(tmp_path / "data_set", split="test[:2]", cache_dir=tmp_path / "cache"), ROWS[:2]
    )


def test_parquet_in_parts_and_configurations(hf_data, tmp_path):
    folder = tmp_path / "data_set" / "digits"
    folder.mkdir(parents=True)
    for part, indices in enumerate(([0, 1, 2], [3, 4])):
        hf_data.select(indices).to_parquet(folder / f"test-0000{part}-of-00002.parquet")
    assert same(load_image_classification(tmp_path / "data_set", name="digits", cache_dir=tmp_path / "cache"))
    assert same(load_image_classification(tmp_path / "data_set", data_dir="digits", cache_dir=tmp_path / "cache"))


def test_parquet_of_plain_bytes(tmp_path):
    import io

    import pyarrow
    import pyarrow.parquet

    table = []
    for row in ROWS:
        buffer = io.BytesIO()
        row["image"].save(buffer, "PNG")
        table.append({"jpg": {"bytes": buffer.getvalue(), "path": None}, "cls": row["label"] > 0})
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(table), tmp_path / "validation.parquet")
    images = load_image_classification(tmp_path, split="validation", cache_dir=tmp_path / "cache")
    assert same(images, [{**row, "label": int(row["label"] > 0)} for row in ROWS])


@pytest.mark.parametrize("prefix", ["test/", ""])
def test_folder_of_images_by_class(tmp_path, prefix):
    for index, image in enumerate(make_images(4)):
        path = tmp_path / f"{prefix}{'hot_dog' if index < 2 else 'cat'}" / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path)
    (path.parent / "notes.txt").write_text("no image")
    images = load_image_classification(tmp_path).with_classnames(["cat", "hot dog"])
    assert [label for _, label in images] == [0, 0, 1, 1]
    assert np.array_equal(np.asarray(images[2][0]), np.asarray(make_images(4)[0]))


def test_nothing_there(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"\(test\): .* holds no data for that split; looked for .*test\.parquet"
    ):
        load_image_classification(tmp_path)
    with pytest.raises(FileNotFoundError, match="no such directory"):
        load_image_classification(tmp_path, data_dir="missing")
    for path in (tmp_path / "missing", "./missing"):
        with pytest.raises(FileNotFoundError, match="there is no directory"):
            load_image_classification(path)


def test_hub_data_are_read_from_the_cache_of_the_hub(fake_hub, monkeypatch):
    monkeypatch.setattr(datasets, "load_dataset", lambda *args, **kwargs: pytest.fail("the library was asked"))
    images = load_image_classification("someone/mnist")
    assert same(images, make_rows(6, 10))
    name = "someone/mnist/data/test-00000-of-00001.parquet"
    assert fake_hub.downloaded == ["someone/mnist/README.md", name]  # and not the other split
    fake_hub.offline = True
    assert same(load_image_classification("someone/mnist", split="test"), make_rows(6, 10))
    with pytest.raises(FileNotFoundError, match=r"'someone/mnist' is neither in .*HF_HUB_OFFLINE is set"):
        load_image_classification("someone/mnist", split="train")


def test_hub_data_in_another_layout_are_left_to_the_library(fake_hub, tmp_path):
    folder = fake_hub.root / "dataset" / "someone" / "lines"
    folder.mkdir(parents=True)
    lines = [f'{{"img": {np.asarray(row["image"]).tolist()}, "label": {row["label"]}}}' for row in ROWS]
    (folder / "test.jsonl").write_text("\n".join(lines), encoding="utf-8")
    assert same(load_image_classification("someone/lines", cache_dir=tmp_path / "converted"))
    assert same(load_image_classification(folder, cache_dir=tmp_path / "converted"))
    with pytest.raises(FileNotFoundError, match=r"the data set library makes nothing: ValueError: .*validation"):
        load_image_classification(folder, split="validation", cache_dir=tmp_path / "converted")


@pytest.mark.usefixtures("fake_hub")
def test_a_missing_hub_id_is_one_error():
    with pytest.raises(FileNotFoundError, match=r"'nobody/nothing' is neither in .*the Hub answered FileNotFoundError"):
        load_image_classification("nobody/nothing", name="x")


def test_a_missing_shard_is_an_error(hf_data, tmp_path):
    hf_data.to_parquet(tmp_path / "test-00001-of-00003.parquet")
    with pytest.raises(FileNotFoundError, match="has 1 of 3 shards; number 0 is missing"):
        load_image_classification(tmp_path)


def test_a_file_that_was_replaced_is_read_anew(hf_data, tmp_path):
    hf_data.to_parquet(tmp_path / "test.parquet")
    assert len(load_image_classification(tmp_path)) == len(ROWS)
    hf_data.select([0]).to_parquet(tmp_path / "test.parquet")
    assert len(load_image_classification(tmp_path)) == 1
