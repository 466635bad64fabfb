"""Hashes of files, computed once per version of a file."""

import hashlib
import os

from fusion_bench.models import fingerprint
from fusion_bench.models.fingerprint import FileHashes, sha256


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
