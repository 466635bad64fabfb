"""Where results that are expensive to compute again are kept between runs, and the keys they are found by."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path


def cache_directory(kind: str, cache_dir: str | Path | None = None) -> Path:
    """The directory of one kind of results; not created here.

    Args:
        kind: ``"pixels"``, ``"heads"``, …
        cache_dir: the directory above; None takes the environment variable ``FUSION_BENCH_CACHE_DIR``, else
            ``fusion_bench`` in the user's cache directory (``XDG_CACHE_HOME``, else ``~/.cache``).
    """
    if cache_dir is None:
        cache_dir = os.environ.get("FUSION_BENCH_CACHE_DIR") or user_cache()
    return Path(cache_dir).expanduser() / "evaluation" / kind


def digest(*parts: object) -> str:
    """SHA-256, in hexadecimal, of values that JSON can hold; tuples count as lists, the order of keys not at all."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def user_cache() -> Path:
    """``fusion_bench`` in the user's cache directory: below ``$XDG_CACHE_HOME``, else below ``~/.cache``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fusion_bench"
