"""Remembered hashes: only of large files that have settled, and only for the version they were made from."""

import os
import time

import pytest

from fusion_bench.models import fingerprint, hash_memory
from fusion_bench.models.fingerprint import FileHashes, sha256
from fusion_bench.models.hash_memory import HashMemory, default_memory, version_of


@pytest.fixture
def read(monkeypatch):
    """The names of the files that were hashed; every file counts as large, and as settled after no time."""
    names = []
    monkeypatch.setattr(hash_memory, "LARGE", 1)
    monkeypatch.setattr(hash_memory, "_SETTLED", -1)
    monkeypatch.setattr(fingerprint, "sha256", lambda path: (names.append(path.name), sha256(path))[1])
    return names


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_text("weights", encoding="utf-8")
    return path


def test_another_process_reads_the_file_no_more(read, file, tmp_path):
    memory = tmp_path / "cache" / "sha256.json"
    expected = FileHashes(memory).of([file])
    assert FileHashes(memory).of([file]) == expected == {file: sha256(file)}
    assert read == ["model.safetensors"]


def test_a_changed_file_is_read_again_whatever_its_time_says(read, file, tmp_path):
    memory = tmp_path / "sha256.json"
    before = file.stat()
    FileHashes(memory).of([file])
    time.sleep(0.01)
    file.write_text("WEIGHTS", encoding="utf-8")  # the same size and inode
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))  # and the same time of change
    assert FileHashes(memory).of([file]) == {file: sha256(file)}
    assert len(read) == 2


def test_a_file_that_was_just_written_is_not_remembered(read, file, tmp_path, monkeypatch):
    monkeypatch.setattr(hash_memory, "_SETTLED", 10**12)
    FileHashes(tmp_path / "sha256.json").of([file])
    assert not (tmp_path / "sha256.json").exists()


def test_a_file_that_changed_while_it_was_read_is_not_remembered(read, file, tmp_path):
    memory = HashMemory(tmp_path / "sha256.json")
    version = version_of(file.stat())
    file.write_text("longer than before", encoding="utf-8")
    memory.remember(file, version, "0" * 64)
    memory.save()
    assert not (tmp_path / "sha256.json").exists()


def test_small_files_are_not_remembered(file, tmp_path):
    FileHashes(tmp_path / "sha256.json").of([file])
    assert not (tmp_path / "sha256.json").exists()


@pytest.mark.parametrize("content", ["{", "[]", '{"FILE": "short"}', '{"FILE": [1, 2, 3, 4, "bad"]}'])
def test_a_damaged_memory_costs_only_time(read, file, tmp_path, content):
    memory = tmp_path / "sha256.json"
    memory.write_text(content.replace("FILE", str(file)), encoding="utf-8")
    assert FileHashes(memory).of([file]) == {file: sha256(file)}
    assert FileHashes(memory).of([file]) == {file: sha256(file)}
    assert len(read) == 1


def test_a_memory_that_cannot_be_written_costs_only_time(read, file, tmp_path):
    (tmp_path / "blocked").write_text("a file, not a directory", encoding="utf-8")
    assert FileHashes(tmp_path / "blocked" / "sha256.json").of([file]) == {file: sha256(file)}


def test_two_processes_keep_what_the_other_found(read, tmp_path):
    files = [tmp_path / name for name in ("a", "b")]
    for path in files:
        path.write_text(path.name, encoding="utf-8")
    first, second = (HashMemory(tmp_path / "sha256.json") for _ in range(2))
    for memory, path in zip((first, second), files, strict=True):
        memory.remember(path, version_of(path.stat()), sha256(path))
        memory.save()
    both = HashMemory(tmp_path / "sha256.json")
    assert [both.recall(path) for path in files] == [sha256(path) for path in files]


def test_where_it_is(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_memory() == tmp_path / "fusion_bench" / "sha256.json"
