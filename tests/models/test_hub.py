"""Hub ids: which files are asked for, and what is said when there are none."""

import pytest
from huggingface_hub.errors import LocalEntryNotFoundError

from fusion_bench.models.hub import fetch, model_directory

OWNER = "model 'mnist'"


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A stand-in for the download that records its calls."""
    calls = []

    def download(repository, *, repo_type, allow_patterns, cache_dir, local_files_only=False):
        assert repo_type == "model"
        if local_files_only:
            raise LocalEntryNotFoundError("not here")
        calls.append((repository, allow_patterns, cache_dir))
        if repository == "nobody/nothing":
            raise LocalEntryNotFoundError("not here")
        return str(tmp_path / "snapshot")

    (tmp_path / "snapshot").mkdir()
    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    return calls


@pytest.mark.usefixtures("no_network")
def test_a_directory_is_taken_as_it_is(hub, tmp_path):
    assert model_directory(tmp_path, OWNER) == tmp_path
    assert model_directory(str(tmp_path), OWNER) == tmp_path
    assert not hub


def test_only_needed_files_are_asked_for(hub, tmp_path):
    (tmp_path / "snapshot" / "config.json").touch()
    (tmp_path / "snapshot" / "model.safetensors").touch()
    assert model_directory("someone/model", OWNER, cache_dir=tmp_path / "cache") == tmp_path / "snapshot"
    [(repository, patterns, cache_dir)] = hub
    assert repository == "someone/model"
    assert set(patterns) == {
        "config.json",
        "model.safetensors",
        "model.safetensors.index.json",
        "model-*.safetensors",
    }
    assert cache_dir == tmp_path / "cache"


def test_legacy_weights_are_asked_for_where_there_are_no_others(hub, tmp_path):
    (tmp_path / "snapshot" / "config.json").touch()
    with pytest.raises(FileNotFoundError, match=r"model 'mnist': 'someone/model' is neither in .*ValueError"):
        model_directory("someone/model", OWNER)
    assert len(hub) == 2
    assert "pytorch_model.bin" in hub[1][1]


@pytest.mark.usefixtures("hub")
def test_a_missing_model_is_one_error_that_says_what_to_do(tmp_path):
    with pytest.raises(
        FileNotFoundError,
        match=r"model 'mnist': 'nobody/nothing' is no local directory .*not in the cache .*cache.*Give the path",
    ):
        fetch("nobody/nothing", OWNER, ("config.json",), cache_dir=tmp_path / "cache")


def test_what_is_complete_in_the_cache_is_taken_as_it_is(fake_hub):
    directory = model_directory("someone/clip", OWNER)
    fetch("someone/clip", OWNER, ("preprocessor_config.json",))
    fake_hub.offline = True
    assert model_directory("someone/clip", OWNER) == directory
    assert fetch("someone/clip", OWNER, ("config.json", "preprocessor_config.json")) == directory


@pytest.mark.usefixtures("no_network")
def test_offline_mode_is_respected(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(FileNotFoundError, match="HF_HUB_OFFLINE is set"):
        fetch("someone/model", OWNER, ("config.json",), cache_dir=tmp_path)


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("path", ["./missing", "/missing/model", "a/b/c", "checkpoints/../x"])
def test_a_path_is_not_looked_for_on_the_hub(path):
    with pytest.raises(FileNotFoundError, match="model 'mnist': there is no directory"):
        fetch(path, OWNER, ("config.json",))
