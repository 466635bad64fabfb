"""A small suite in the layout of the shipped ones, with text in place of weights and pictures."""

import json
from pathlib import Path

from fusion_bench.suites import shipped

FILES = {
    "data/mnist/test.parquet": "images",
    "data/mnist/README.md": "card",
    "data/emoji/test.parquet": "images",
    "models/clip/config.json": "{}",
    "models/clip/model.safetensors": "weights",
    "models/clip_mnist/config.json": "{}",
    "individual.json": '{"mnist": 0.75, "emoji": 0.5}',
}


def write_suite(root: Path, name: str = "toys") -> Path:
    """The directory of a suite with ``FILES`` and their manifest below ``root``."""
    directory = root / name
    for file, text in FILES.items():
        (directory / file).parent.mkdir(parents=True, exist_ok=True)
        (directory / file).write_text(text, encoding="utf-8")
    checksums = {file: shipped.sha256(directory / file) for file in FILES}
    (directory / shipped.MANIFEST).write_text(json.dumps(checksums), encoding="utf-8")
    return directory


def forget_suites() -> None:
    """Let the next look into ``shipped.ROOT`` read it anew."""
    for cached in (shipped.suites, shipped.manifest, shipped.verify):
        cached.cache_clear()
