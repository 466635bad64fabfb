"""The image processor of any HF model."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fusion_bench.models.hub import fetch
from fusion_bench.models.needed import CONFIG_FILES, PROCESSOR_FILES
from fusion_bench.utils.configurable import build_plain


def load_processor(source: Any, owner: str, *, cache_dir: str | Path | None = None) -> Any:
    """An image processor, PIL based where transformers has both kinds, or a function from an RGB image to a tensor.

    Args:
        source: Hub id, local directory, ``_target_`` config, or a live one, which is copied.
        owner: whose processor it is, as the start of an error message.
        cache_dir: where downloads are kept; None is the Hub client's own cache.

    Raises:
        FileNotFoundError: if there is no ``preprocessor_config.json``.
    """
    from transformers import AutoImageProcessor

    found = build_plain(source) if isinstance(source, Mapping) else source
    if not isinstance(found, str | Path):
        return copy.deepcopy(found)
    directory = fetch(found, owner, (*CONFIG_FILES, *PROCESSOR_FILES), cache_dir=cache_dir)
    if not any((directory / name).is_file() for name in PROCESSOR_FILES):
        raise FileNotFoundError(
            f"{owner}: {directory} has no {PROCESSOR_FILES[0]}, which says how images are preprocessed; give a "
            "processor: an image processor of transformers, its directory, or a _target_ config"
        )
    return AutoImageProcessor.from_pretrained(directory, local_files_only=True, backend="pil")
