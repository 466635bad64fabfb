"""Whole CLIP models, tokenizers and image processors from a path, a Hub id, a config or a live object."""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import nn

from fusion_bench.models.checkpoint import open_checkpoint
from fusion_bench.models.clip_config import read_config, read_vision_config
from fusion_bench.models.hub import fetch, model_directory
from fusion_bench.models.needed import CONFIG_FILES, PROCESSOR_FILES, TOKENIZER_FILES
from fusion_bench.utils.configurable import build_plain

log = logging.getLogger(__name__)


def load_clip_model(source: Any, owner: str, *, cache_dir: str | Path | None = None) -> nn.Module:
    """A ``CLIPModel`` in eval mode, in the dtype of its checkpoint.

    Args:
        source: Hub id, local directory, ``_target_`` config, or a live model, which is returned as it is.
        owner: whose model it is, as the start of an error message: ``"model 'mnist'"``.
        cache_dir: where downloads are kept; None is the Hub client's own cache.

    Raises:
        FileNotFoundError: if there is no such model.
        ValueError: if the checkpoint is damaged or is not a whole CLIP model.
        TypeError: if a config or live object is not a ``CLIPModel``.
    """
    from transformers import CLIPModel

    model = build_plain(source) if isinstance(source, Mapping) else source
    if not isinstance(model, str | Path):
        if not isinstance(model, CLIPModel):
            raise TypeError(
                f"{owner} is a {type(model).__name__}, expected a CLIPModel with text tower and projections"
            )
        return model  # type: ignore[no-any-return]
    directory = model_directory(model, owner, cache_dir=cache_dir)
    kind = read_config(directory, owner).get("model_type")
    if kind != "clip":
        raise ValueError(
            f"{owner}: {directory} holds a {kind!r}, "
            "expected a whole CLIP model ('clip') with text tower and projections"
        )
    open_checkpoint(directory, owner)  # a damaged file fails here, with an error that names it
    with _without_progress_bar():  # it takes no time worth showing
        loaded, report = CLIPModel.from_pretrained(directory, output_loading_info=True, local_files_only=True)
    if report["missing_keys"]:
        missing = sorted(report["missing_keys"])
        raise ValueError(f"{owner}: {directory} lacks {len(missing)} tensors of a CLIP model, such as {missing[0]!r}")
    return loaded.eval()  # type: ignore[no-any-return]


def load_tokenizer(source: Any, owner: str, *, cache_dir: str | Path | None = None) -> Any:
    """The tokenizer of a CLIP model.

    Args:
        source: Hub id, local directory, ``_target_`` config, a live tokenizer, or a live processor that has one.
        owner: whose tokenizer it is, as the start of an error message.
        cache_dir: where downloads are kept; None is the Hub client's own cache.

    Raises:
        FileNotFoundError: if there are no tokenizer files.
    """
    from transformers import AutoTokenizer

    found = build_plain(source) if isinstance(source, Mapping) else source
    if not isinstance(found, str | Path):
        return getattr(found, "tokenizer", found)
    directory = fetch(found, owner, (*CONFIG_FILES, *TOKENIZER_FILES), cache_dir=cache_dir)
    if not (directory / "tokenizer.json").is_file() and not (directory / "vocab.json").is_file():
        raise FileNotFoundError(f"{owner}: {directory} has no tokenizer; looked for tokenizer.json and vocab.json")
    return AutoTokenizer.from_pretrained(directory, local_files_only=True)


def load_image_processor(source: Any, owner: str, *, cache_dir: str | Path | None = None) -> Any:
    """The image processor of a CLIP model, PIL based where transformers has both kinds, so without torchvision.

    A directory without ``preprocessor_config.json`` gets CLIP's own preprocessing at the image size of its
    ``config.json``.

    Args:
        source: Hub id, local directory, ``_target_`` config, a live image processor, or a live processor that has one;
            a live object is copied.
        owner: whose processor it is, as the start of an error message.
        cache_dir: where downloads are kept; None is the Hub client's own cache.

    Raises:
        FileNotFoundError: if there is no such model.
    """
    found = build_plain(source) if isinstance(source, Mapping) else source
    if not isinstance(found, str | Path):
        return copy.deepcopy(getattr(found, "image_processor", found))
    directory = fetch(found, owner, (*CONFIG_FILES, *PROCESSOR_FILES), cache_dir=cache_dir)
    if has_processor(directory):
        return _processor_class().from_pretrained(directory, local_files_only=True)
    size = read_vision_config(directory, owner).image_size
    log.warning("%s has no preprocessor_config.json: using CLIP's own preprocessing at %d pixels", directory, size)
    return default_image_processor(size)


def default_image_processor(size: int) -> Any:
    """CLIP's own preprocessing for square images of ``size`` pixels."""
    return _processor_class()(size={"shortest_edge": size}, crop_size={"height": size, "width": size})


def has_processor(directory: Path) -> bool:
    """Whether a local model directory says how its images are preprocessed."""
    return any((directory / name).is_file() for name in PROCESSOR_FILES)


def _processor_class() -> Any:
    try:
        from transformers import CLIPImageProcessorPil
    except ImportError:  # before transformers split the PIL backend off
        from transformers import CLIPImageProcessor

        return CLIPImageProcessor
    return CLIPImageProcessorPil


@contextmanager
def _without_progress_bar() -> Iterator[None]:
    """No progress bars of transformers inside the block."""
    from transformers.utils import logging as transformers_logging

    shown = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            transformers_logging.enable_progress_bar()
