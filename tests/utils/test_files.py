"""Files appear under their name only when complete."""

import json
import os

import pytest

from fusion_bench.utils.files import (
    atomic_directory,
    atomic_path,
    read_json,
    remove_partial,
    write_json,
)


def write_half(writer, path):
    """Fail after the first half of a file, or the first file of a directory."""
    with writer(path) as partial:
        (partial / "weights" if partial.is_dir() else partial).write_text("half")
        raise RuntimeError("disk")


def names(path):
    return sorted(entry.name for entry in path.iterdir())


def test_json_round_trip_and_no_leftovers(tmp_path):
    write_json(tmp_path / "new" / "a.json", {"name": "é", "value": 0.1})
    assert names(tmp_path / "new") == ["a.json"]
    assert read_json(tmp_path / "new" / "a.json") == {"name": "é", "value": 0.1}


def test_bare_file_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_json("report.json", [])
    assert names(tmp_path) == ["report.json"]


def test_failure_keeps_the_old_file(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, 1)
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, float("nan"))
    with pytest.raises(RuntimeError, match="disk"):
        write_half(atomic_path, path)
    assert (json.loads(path.read_text()), names(tmp_path)) == (1, ["a.json"])


def test_directory_is_replaced_as_a_whole(tmp_path):
    path = tmp_path / "model"
    for content in ("one", "two"):
        with atomic_directory(path) as partial:
            (partial / "weights").write_text(content)
            assert not path.exists() or (path / "weights").read_text() == "one"
        assert (path / "weights").read_text() == content
    with pytest.raises(RuntimeError, match="disk"):
        write_half(atomic_directory, path)
    assert (path / "weights").read_text() == "two"
    assert names(tmp_path) == ["model"]


def test_leftovers_of_a_killed_writer_are_removed(tmp_path):
    (tmp_path / ".partial-a.json.7").write_text("{")
    (tmp_path / ".partial-model.x").mkdir()
    (tmp_path / "kept").mkdir()
    remove_partial(tmp_path)
    assert names(tmp_path) == ["kept"]


def test_json_that_is_none_names_the_file(tmp_path):
    (tmp_path / "bad.json").write_bytes(os.urandom(16) + b"\xff")
    with pytest.raises(ValueError, match=r"bad\.json is not valid JSON"):
        read_json(tmp_path / "bad.json")


def test_a_full_disk_is_named_whatever_library_wrote(tmp_path):
    from safetensors import SafetensorError

    path = tmp_path / "model"
    for error in (OSError(28, "No space left on device"), SafetensorError("I/O error: No space left on device")):
        with (
            pytest.raises(OSError, match=r"the disk is full while writing .*model.*resume=true"),
            atomic_directory(path),
        ):
            raise error
    assert names(tmp_path) == []


def test_files_are_as_readable_as_any_other(tmp_path):
    import torch
    from safetensors.torch import save_file

    before = os.umask(0o022)
    try:
        with atomic_directory(tmp_path / "model") as partial:
            save_file({"a": torch.zeros(1)}, partial / "model.safetensors")
        with atomic_path(tmp_path / "state.safetensors") as partial:
            save_file({"a": torch.zeros(1)}, partial)
    finally:
        os.umask(before)
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.rglob("*")}
    assert modes == {"model": 0o755, "model.safetensors": 0o644, "state.safetensors": 0o644}
