"""What is listed, downloaded and left alone before a run."""

import pytest

from fusion_bench.programs.downloads import download_items, format_items, format_size, list_items, needed_by_config
from fusion_bench.sources.missing import grouped

POOL = {
    "_target_": "fusion_bench.modelpool.CLIPVisionModelPool",
    "models": {"_pretrained_": "someone/clip", "mnist": "someone/clip_mnist"},
    "train_datasets": {"mnist": {"path": "someone/mnist", "split": "train"}},
}
TASKS = {
    "_target_": "fusion_bench.taskpool.CLIPVisionModelTaskPool",
    "base_model": "someone/clip",
    "test_datasets": {"mnist": "someone/mnist"},
}
CONFIG = {"modelpool": POOL, "taskpool": TASKS}


def items(config=CONFIG):
    return list_items(needed_by_config(config))


def test_each_set_of_files_is_listed_once_with_its_size_and_place(fake_hub, tmp_path):
    listed = items()
    assert [item.owners for item in listed] == [
        ("model '_pretrained_'", "the task pool's clip_model"),
        ("model 'mnist'",),
        ("the model pool's processor", "the task pool's processor"),
        ("the task pool's tokenizer",),
        ("the data set of task 'mnist'",),
    ]
    data = fake_hub.root / "dataset" / "someone" / "mnist"
    test, card = data / "data" / "test-00000-of-00001.parquet", data / "README.md"
    assert listed[-1].size == test.stat().st_size + card.stat().st_size
    table = format_items(listed)
    assert table.count("download to ") == 5
    assert table.splitlines()[-1].startswith("to download: ")
    assert table.endswith("KiB in 5 parts")
    assert not fake_hub.downloaded


def test_everything_is_downloaded_and_then_nothing_is_left(fake_hub):
    assert download_items(items()) == []
    assert len(fake_hub.downloaded) == len(set(fake_hub.downloaded)) > 5
    assert all(item.directory is not None and item.size for item in items())
    fake_hub.downloaded.clear()
    fake_hub.asked.clear()
    assert download_items(items()) == []
    assert not fake_hub.asked
    assert format_items(items()).endswith("to download: nothing")


def test_an_interrupted_download_goes_on_where_it_stopped(fake_hub):
    fake_hub.breaks_after = 3
    errors = download_items(items())
    assert len(errors) == 4
    assert "someone/mnist' is neither in" in grouped(errors)
    first = list(fake_hub.downloaded)
    fake_hub.breaks_after = None
    assert download_items(items()) == []
    assert fake_hub.downloaded[:3] == first
    assert len(fake_hub.downloaded) == len(set(fake_hub.downloaded))


def test_one_part_that_is_not_there_keeps_no_other_from_coming(fake_hub):
    models = {**POOL["models"], "letters": "nobody/nothing"}
    [(needed, message)] = download_items(items({**CONFIG, "modelpool": {**POOL, "models": models}}))
    assert needed.name == "letters"
    assert "the Hub answered FileNotFoundError" in message
    assert items()[-1].directory is not None


def test_local_directories_leave_nothing_to_download(fake_hub):
    fake_hub.offline = True
    where = {"model_dir": str(fake_hub.root / "model"), "data_dir": str(fake_hub.root / "dataset")}
    config = {key: {**part, **where} for key, part in CONFIG.items()}
    listed = items(config)
    assert all(item.directory is not None for item in listed)
    assert download_items(listed) == []
    assert not fake_hub.asked


@pytest.mark.parametrize("offline", [True, False])
def test_sizes_are_unknown_where_nobody_answers(fake_hub, offline):
    fake_hub.offline, fake_hub.unreachable = offline, not offline
    assert [item.size for item in items()] == [None] * 5
    assert len(fake_hub.asked) == (0 if offline else 1)
    assert format_items(items()).endswith("to download: unknown in 5 parts")


def test_fine_tuning_needs_one_model_and_the_data_to_train_with(fake_hub):
    listed = items({**CONFIG, "task": "mnist", "start": "_pretrained_"})
    sources = [item.needed.source for item in listed]
    assert "someone/clip_mnist" not in sources
    assert sources.count("someone/mnist") == 2
    assert download_items(listed) == []
    assert "someone/mnist/data/train-00000-of-00001.parquet" in fake_hub.downloaded


def test_a_method_that_reads_training_data_needs_it(fake_hub):
    method = {"_target_": "fusion_bench.method.mudsc.mudsc_zip.MuDSCZip"}
    more = {**POOL, "models": {**POOL["models"], "again": "someone/clip_mnist"}}
    more["train_datasets"] = {**POOL["train_datasets"], "again": {"path": "someone/mnist", "split": "train"}}
    config = {**CONFIG, "modelpool": more, "method": method}
    assert [item.needed.source for item in items(config)].count("someone/mnist") == 2
    without = {**method, "alpha": 1.0, "statistics": "none"}
    assert [item.needed.source for item in items({**config, "method": without})].count("someone/mnist") == 1


def test_pools_of_the_package_need_nothing():
    assert items({"modelpool": {"_target_": "fusion_bench.modelpool.BaseModelPool", "models": {}}}) == []


@pytest.mark.parametrize(
    ("size", "text"), [(None, "unknown"), (0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (3 << 40, "3.0 TiB")]
)
def test_sizes_for_people(size, text):
    assert format_size(size) == text
