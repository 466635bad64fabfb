"""Put what was trained into the package, in half precision, and list every shipped file with its hash."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from fusion_bench.suites.shipped import MANIFEST, sha256
from tools.tiny8.suite import SHIPPED

_MODEL_FILES = (
    "config.json",
    "model.safetensors",
    "preprocessor_config.json",
    "processor_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "training.json",
)


def ship_model(source: Path, target: Path) -> None:
    """Copy a model directory; weights become float16, everything that is not needed to load it stays behind.

    Raises:
        FileNotFoundError: if there is no model.
    """
    if not (source / "model.safetensors").is_file():
        raise FileNotFoundError(f"there is no model in {source}; run the step that trains it")
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for name in _MODEL_FILES:
        if (source / name).is_file():
            shutil.copyfile(source / name, target / name)
    tensors = load_file(source / "model.safetensors")
    halved = {name: t.half().contiguous() if t.is_floating_point() else t for name, t in tensors.items()}
    save_file(halved, target / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((target / "config.json").read_text(encoding="utf-8"))
    config["dtype"] = str(torch.float16).removeprefix("torch.")
    (target / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def write_manifest() -> None:
    """The hashes of every shipped file, by name."""
    files = sorted(path for path in SHIPPED.rglob("*") if path.is_file() and path.name != MANIFEST)
    hashes = {path.relative_to(SHIPPED).as_posix(): sha256(path) for path in files}
    (SHIPPED / MANIFEST).write_text(json.dumps(hashes, indent=1) + "\n", encoding="utf-8")
