"""The Hub client itself on a cache in its own layout, without a network."""

import pytest

from fusion_bench.sources import hub

COMMIT = "a" * 40


@pytest.fixture
def cache(tmp_path):
    """A cache with two files of the data set ``someone/mnist``."""
    repository = tmp_path / "datasets--someone--mnist"
    blob = repository / "blobs" / ("b" * 64)
    snapshot = repository / "snapshots" / COMMIT
    for directory in (blob.parent, snapshot / "data", repository / "refs"):
        directory.mkdir(parents=True)
    blob.write_text("images", encoding="utf-8")
    (snapshot / "data" / "test.parquet").symlink_to(blob)
    (snapshot / "README.md").write_text("card", encoding="utf-8")
    (repository / "refs" / "main").write_text(COMMIT, encoding="utf-8")
    return tmp_path


@pytest.mark.usefixtures("no_network")
def test_what_is_in_the_cache_is_found_without_a_network(cache):
    found = hub.cached("someone/mnist", "dataset", ["data/test.parquet"], cache)
    assert (found / "data" / "test.parquet").read_text(encoding="utf-8") == "images"
    assert hub.cached("someone/other", "dataset", ["*"], cache) is None
    assert hub.cached("someone/mnist", "model", ["*"], cache) is None


def test_offline_mode_is_that_of_the_client(cache, monkeypatch, no_network):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert hub.is_offline()
    assert hub.download("someone/mnist", "dataset", ["data/*"], cache).name == COMMIT
    with pytest.raises(hub.HubUnreachableError, match="LocalEntryNotFoundError"):
        hub.download("someone/other", "dataset", ["*"], cache)


def test_where_the_cache_is(tmp_path, monkeypatch):
    assert hub.cache_directory(tmp_path) == tmp_path
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    assert hub.cache_directory(None) == tmp_path / "hub"


def test_errors_of_the_http_library_have_one_type(monkeypatch):
    from huggingface_hub.errors import HfHubHTTPError

    http_error = HfHubHTTPError.__bases__[0]

    def fail(*arguments, **keywords):
        raise http_error("no route to host")

    monkeypatch.setattr("huggingface_hub.HfApi.dataset_info", fail)
    monkeypatch.setattr("huggingface_hub.snapshot_download", fail)
    with pytest.raises(hub.HubUnreachableError, match="no route to host"):
        hub.file_sizes("someone/mnist", "dataset")
    with pytest.raises(hub.HubUnreachableError, match="no route to host"):
        hub.download("someone/mnist", "dataset", ["*"], None)


def test_sizes_are_those_that_the_hub_tells(monkeypatch):
    from types import SimpleNamespace

    siblings = [SimpleNamespace(rfilename="a", size=3), SimpleNamespace(rfilename="b", size=None)]
    asked = []

    def answer(self, repository, **keywords):
        asked.append((repository, keywords))
        return SimpleNamespace(siblings=siblings)

    monkeypatch.setattr("huggingface_hub.HfApi.dataset_info", answer)
    assert hub.file_sizes("someone/mnist", "dataset") == {"a": 3, "b": None}
    assert asked == [("someone/mnist", {"files_metadata": True})]
