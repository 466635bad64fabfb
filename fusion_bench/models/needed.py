"""The files that models, tokenizers and image processors are read from."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from fusion_bench.models.checkpoint import LEGACY, LEGACY_INDEX, SAFETENSORS, SAFETENSORS_INDEX, weight_files
from fusion_bench.sources.needed import Choice, Needed

CONFIG_FILES = ("config.json",)
SAFETENSORS_FILES = (SAFETENSORS, SAFETENSORS_INDEX, "model-*.safetensors")
LEGACY_FILES = (LEGACY, LEGACY_INDEX, "pytorch_model-*.bin")
PROCESSOR_FILES = ("preprocessor_config.json", "processor_config.json")
TOKENIZER_FILES = ("tokenizer*.json", "vocab.json", "merges.txt", "special_tokens_map.json", "added_tokens.json")


def model_needed(section: str, name: str, owner: str, source: str | Path, **where: Any) -> Needed:
    """The configuration and the weights of a model; ``where`` are ``root`` and ``cache_dir``."""
    files_in = partial(_model_files, owner)
    choices = tuple(Choice(weights, CONFIG_FILES, files_in) for weights in (SAFETENSORS_FILES, LEGACY_FILES))
    return Needed(section, name, owner, "model", str(source), choices, **where)


def tokenizer_needed(section: str, owner: str, source: str | Path, **where: Any) -> Needed:
    """The files of a tokenizer."""
    choice = Choice(TOKENIZER_FILES, CONFIG_FILES, partial(_tokenizer_files, owner))
    return Needed(section, "tokenizer", owner, "model", str(source), (choice,), **where)


def processor_needed(section: str, owner: str, source: str | Path, **where: Any) -> Needed:
    """The files of an image processor, else the configuration that the usual preprocessing is made from."""
    choice = Choice((*PROCESSOR_FILES, *CONFIG_FILES), (), partial(_processor_files, owner))
    return Needed(section, "processor", owner, "model", str(source), (choice,), **where)


def _model_files(owner: str, directory: Path) -> list[Path]:
    return [*_existing(owner, directory, CONFIG_FILES), *weight_files(directory, owner)]


def _tokenizer_files(owner: str, directory: Path) -> list[Path]:
    if not any((directory / name).is_file() for name in ("tokenizer.json", "vocab.json")):
        raise FileNotFoundError(f"{owner}: {directory} has no tokenizer; looked for tokenizer.json and vocab.json")
    return _existing(owner, directory, TOKENIZER_FILES)


def _processor_files(owner: str, directory: Path) -> list[Path]:
    given = [directory / name for name in PROCESSOR_FILES if (directory / name).is_file()]
    return given or _existing(owner, directory, CONFIG_FILES)


def _existing(owner: str, directory: Path, patterns: tuple[str, ...]) -> list[Path]:
    files = [file for pattern in patterns for file in sorted(directory.glob(pattern)) if file.is_file()]
    if not files:
        raise FileNotFoundError(f"{owner}: {directory} has no {' or '.join(patterns)}")
    return files
