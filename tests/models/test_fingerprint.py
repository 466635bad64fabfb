"""Hashes of files, computed once per version of a file."""

import hashlib
import os

import pytest
from suite_files import forget_suites

from fusion_bench.models import fingerprint
from fusion_bench.models.fingerprint import FileHashes, combined_sha256, file_hashes, sha256


def test_equals_the_hash_of_the_content(tmp_path):
    path = tmp_path / "file"
    content = os.urandom((1 << 20) + 17)
    path.write_bytes(content)
    assert sha256(path) == hashlib.sha256(content).hexdigest()
    path.write_bytes(b"")
    assert sha256(path) == hashlib.sha256().hexdigest()


def test_a_file_is_read_again_only_when_it_changed(tmp_path, monkeypatch):
    read = []
    monkeypatch.setattr(fingerprint, "sha256", lambda path: (read.append(path.name), sha256(path))[1])
    paths = [tmp_path / "a", tmp_path / "b"]
    for path in paths:
        path.write_text(path.name)
    hashes = FileHashes()
    before = hashes.of(paths)
    assert hashes.of(paths) == before
    assert sorted(read) == ["a", "b"]
    paths[0].write_text("new content")
    after = hashes.of(paths)
    assert sorted(read) == ["a", "a", "b"]
    assert after[paths[0]] != before[paths[0]]
    assert after[paths[1]] == before[paths[1]]


def test_several_files_have_one_fingerprint_that_follows_names_and_contents():
    lines = b"a 1\nb 2\n"
    assert combined_sha256({"a": "1", "b": "2"}) == hashlib.sha256(lines).hexdigest()
    assert len({combined_sha256(files) for files in ({"a": "1"}, {"b": "1"}, {"a": "2"}, {})}) == 4


def test_a_damaged_download_is_refused(tmp_path):
    blobs = tmp_path / "models--a--b" / "blobs"
    blobs.mkdir(parents=True)
    blob = blobs / hashlib.sha256(b"weights").hexdigest()
    blob.write_bytes(b"weights")
    link = tmp_path / "model.safetensors"
    link.symlink_to(blob)
    assert FileHashes().of([link]) == {link: blob.name}
    blob.write_bytes(b"weight")
    with pytest.raises(ValueError, match=rf"damaged download: .*{blob.name} \(6 bytes\) has SHA-256 .*, expected"):
        FileHashes().of([link])


def test_the_manifest_of_a_suite_is_taken_at_its_word(toy_suite, monkeypatch):
    path = toy_suite / "models" / "clip" / "model.safetensors"
    monkeypatch.setattr(fingerprint, "sha256", lambda path: pytest.fail(f"read {path}"))
    assert FileHashes().of([path]) == {path: hashlib.sha256(b"weights").hexdigest()}
    forget_suites()
    path.write_text("weightz", encoding="utf-8")
    with pytest.raises(ValueError, match="damaged suite 'toys'"):
        FileHashes().of([path])


def test_a_file_is_read_once_in_a_process_whoever_asks(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = tmp_path / "weights"
    path.write_text("a")
    read = []
    monkeypatch.setattr(fingerprint, "sha256", lambda path: (read.append(path), sha256(path))[1])
    for _ in range(2):
        assert file_hashes().of([path]) == {path: sha256(path)}
    assert len(read) == 1
