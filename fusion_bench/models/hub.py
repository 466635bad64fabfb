"""Where the files of a model are: a local directory as it is, or the local copy of a Hub repository."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from fusion_bench.models.needed import model_needed
from fusion_bench.sources import hub
from fusion_bench.sources.local import is_hub_id, local_directory


def model_directory(source: str | Path, owner: str, *, cache_dir: str | Path | None = None) -> Path:
    """The directory with ``config.json`` and the weights of a model; safetensors are preferred.

    Args:
        source: a local directory or a model of a shipped suite, for which no network is touched, or a Hub id.
        owner: whose source it is, as the start of an error message: ``"model 'mnist'"``.
        cache_dir: where downloads are kept; None is the Hub client's own cache.

    Raises:
        FileNotFoundError: naming the source, where it was looked for and what to do.
    """
    directory = local_directory(source)
    if directory is not None:
        return directory
    return model_needed("models", owner, owner, source, cache_dir=cache_dir).obtain()[0]


def fetch(source: str | Path, owner: str, patterns: Sequence[str], *, cache_dir: str | Path | None = None) -> Path:
    """The directory with the files of ``source`` that match ``patterns``, downloaded if it is a Hub id.

    Environment variables of the Hub client, such as ``HF_HUB_OFFLINE``, are respected.

    Raises:
        FileNotFoundError: naming the source, where it was looked for and what to do.
    """
    directory = local_directory(source)
    if directory is not None:
        return directory
    if not is_hub_id(source):
        raise FileNotFoundError(f"{owner}: there is no directory {source}")
    kept = hub.cached(str(source), "model", patterns, cache_dir)
    if kept is not None:  # a newer one on the Hub would not be the one that the fingerprints are of
        return kept
    try:
        return hub.download(str(source), "model", patterns, cache_dir)
    except (OSError, ValueError) as error:
        cache, offline = hub.cache_directory(cache_dir), hub.is_offline()
        unreachable = isinstance(error, hub.HubUnreachableError)
        answer = "the Hub cannot be reached" if unreachable else f"the Hub answered {type(error).__name__}"
        reason = "HF_HUB_OFFLINE is set" if offline else answer
        raise FileNotFoundError(
            f"{owner}: {str(source)!r} is no local directory (from {os.getcwd()}), is not in the cache {cache}, and "
            f"could not be downloaded ({reason}). Give the path of a local model directory, or connect to the network "
            f"once and check the name; a private or gated model needs 'hf auth login'"
        ) from error
