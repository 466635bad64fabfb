"""The one place that talks to the Hub: its cache on this machine, downloads, and what a repository holds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

Kind = Literal["model", "dataset"]


class HubUnreachableError(OSError):
    """The Hub did not answer: there is no network, or it is down."""


def is_offline() -> bool:
    """Whether ``HF_HUB_OFFLINE`` forbids to use the network."""
    from huggingface_hub import constants

    return bool(constants.HF_HUB_OFFLINE)


def cache_directory(cache_dir: str | Path | None) -> Path:
    """``cache_dir``, or the Hub client's own cache."""
    from huggingface_hub import constants

    return Path(cache_dir) if cache_dir is not None else Path(constants.HF_HUB_CACHE)


def download(repository: str, kind: Kind, patterns: Sequence[str], cache_dir: str | Path | None) -> Path:
    """The local copy of the files that match ``patterns``; an interrupted download goes on where it stopped.

    Raises:
        HubUnreachableError: if the Hub does not answer and the cache lacks a file.
        OSError: if the repository is not there, or must not be read.
        ValueError: if the Hub client does not take the name.
    """
    from huggingface_hub import snapshot_download

    cache = cache_directory(cache_dir)
    with _naming_an_unreachable_hub():
        return Path(snapshot_download(repository, repo_type=kind, allow_patterns=list(patterns), cache_dir=cache))


def cached(repository: str, kind: Kind, patterns: Sequence[str], cache_dir: str | Path | None) -> Path | None:
    """What :func:`download` gave earlier, without asking the Hub; None if it is not, or not completely, there."""
    from huggingface_hub import snapshot_download

    try:
        return Path(
            snapshot_download(
                repository,
                repo_type=kind,
                allow_patterns=list(patterns),
                cache_dir=cache_directory(cache_dir),
                local_files_only=True,
            )
        )
    except (OSError, ValueError):
        return None


def file_sizes(repository: str, kind: Kind) -> dict[str, int | None]:
    """The files of a repository with their sizes in bytes, None for a size that the Hub does not give.

    Raises:
        HubUnreachableError: if the Hub does not answer.
        OSError: if the repository is not there, or must not be read.
    """
    from huggingface_hub import HfApi

    with _naming_an_unreachable_hub():
        ask = HfApi().dataset_info if kind == "dataset" else HfApi().model_info
        siblings = ask(repository, files_metadata=True).siblings
    return {file.rfilename: file.size for file in siblings or ()}


@contextmanager
def _naming_an_unreachable_hub() -> Iterator[None]:
    """Give one type to the errors of the HTTP library, which changes with the version of the Hub client."""
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    http_errors = [kind for kind in HfHubHTTPError.__bases__ if issubclass(kind, Exception) and kind is not OSError]
    unreachable: tuple[type[Exception], ...] = (LocalEntryNotFoundError, *http_errors)
    try:
        yield
    except HfHubHTTPError:  # it did answer
        raise
    except unreachable as error:
        raise HubUnreachableError(f"{type(error).__name__}: {error}") from error
