"""Fixtures that several parts of the suite share: a tiny CLIP model and a pool of vision towers, on disk."""

import logging
import os
import shutil
import socket

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # read when the Hub client is imported: no test waits for a network
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")

import pytest
from clip_files import make_clip, make_rows, write_clip
from hub_files import FakeHub
from suite_files import forget_suites, write_suite


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory):
    """Heads and preprocessed images are kept among the temporary files of this session."""
    before = os.environ.get("FUSION_BENCH_CACHE_DIR")
    os.environ["FUSION_BENCH_CACHE_DIR"] = str(tmp_path_factory.mktemp("cache"))
    yield
    os.environ.pop("FUSION_BENCH_CACHE_DIR")
    if before is not None:
        os.environ["FUSION_BENCH_CACHE_DIR"] = before


@pytest.fixture(scope="session")
def tiny_clip_dir(tmp_path_factory):
    """A whole CLIP model with random weights, its tokenizer and image processor; to be read only."""
    return write_clip(tmp_path_factory.mktemp("clip") / "base")


@pytest.fixture(scope="session")
def tiny_pool_dir(tmp_path_factory, tiny_clip_dir):
    """Vision towers ``mnist``, ``digits``, ``letters`` beside ``base``, the whole model; to be read only."""
    root = tmp_path_factory.mktemp("pool")
    (root / "base").symlink_to(tiny_clip_dir)
    for seed, name in enumerate(("mnist", "digits", "letters"), start=1):
        make_clip(seed).vision_model.save_pretrained(root / name)
    return root


@pytest.fixture
def logging_put_back():
    """Hydra sets up the logging of the process."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


@pytest.fixture
def toy_suite(tmp_path, monkeypatch):
    """The directory of a suite ``toys``, shipped in place of the real ones for this test."""
    monkeypatch.setattr("fusion_bench.suites.shipped.ROOT", tmp_path / "suites")
    forget_suites()
    yield write_suite(tmp_path / "suites")
    forget_suites()


@pytest.fixture
def no_network(monkeypatch):
    """Makes every attempt to open a connection an error."""

    def refuse(*args, **kwargs):
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "connect_ex", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)


@pytest.fixture
def fake_hub(tmp_path, monkeypatch, tiny_clip_dir, tiny_pool_dir):
    """A Hub with ``someone/clip``, the towers ``someone/clip_mnist`` and ``_digits``, and data ``someone/mnist``."""
    from datasets import Dataset, Features, Image, Value

    root = tmp_path / "hub"
    shutil.copytree(tiny_clip_dir, root / "model" / "someone" / "clip")
    for name in ("mnist", "digits"):
        shutil.copytree(tiny_pool_dir / name, root / "model" / "someone" / f"clip_{name}")
    features = Features({"image": Image(), "label": Value("int64")})
    for split, size in (("test", 6), ("train", 8)):
        path = root / "dataset" / "someone" / "mnist" / "data" / f"{split}-00000-of-00001.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        Dataset.from_list(make_rows(size, 10), features=features).to_parquet(path)
    (path.parents[1] / "README.md").write_text("a card", encoding="utf-8")
    hub = FakeHub(root, tmp_path / "cache")
    for name in ("is_offline", "download", "cached", "file_sizes"):
        monkeypatch.setattr(f"fusion_bench.sources.hub.{name}", getattr(hub, name))
    return hub
