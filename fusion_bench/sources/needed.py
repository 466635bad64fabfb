"""What a run reads from files: a model, a tokenizer, a data set, and where on this machine or on the Hub it is."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from fusion_bench.sources import hub
from fusion_bench.sources.local import copies, is_hub_id, local_directory

Files = Callable[[Path], list[Path]]


@dataclass(frozen=True)
class Choice:
    """One set of files that will do, as patterns of their names in a Hub repository."""

    essential: tuple[str, ...]  # a repository without any of these has not this set
    further: tuple[str, ...]  # taken along where they are
    files_in: Files  # those of a directory; raises FileNotFoundError if one is missing

    @property
    def patterns(self) -> tuple[str, ...]:
        """What is downloaded."""
        return (*self.essential, *self.further)


@dataclass(frozen=True)
class Needed:
    """One part of a run that is read from files.

    Args:
        section: the heading under which a report lists it: ``"models"``, ``"task_pool"``, ``"datasets"`` or
            ``"training_datasets"``.
        name: its name there.
        owner: whose it is, as the start of an error message: ``"model 'mnist'"``.
        kind: what it is on the Hub.
        source: the path or Hub id that was given.
        choices: the sets of files that will do, best first; the last one knows every layout of a local directory.
        root: a directory with local copies of Hub repositories.
        cache_dir: where downloads are kept; None is the Hub client's own cache.
    """

    section: str
    name: str
    owner: str
    kind: hub.Kind
    source: str
    choices: tuple[Choice, ...]
    root: str | Path | None = None
    cache_dir: str | Path | None = None

    def find(self) -> tuple[Path, list[Path]] | None:
        """The directory that holds it on this machine and its files there; None if it has to be downloaded.

        Raises:
            FileNotFoundError: if there is a local directory of that name which lacks a file.
        """
        directory = local_directory(self.source, self.root)
        if directory is not None:
            return directory, self.choices[-1].files_in(directory)
        for choice in self.choices if is_hub_id(self.source) else ():
            snapshot = hub.cached(self.source, self.kind, choice.patterns, self.cache_dir)
            if snapshot is not None and (files := _complete(choice, snapshot)):
                return snapshot, files
        return None

    def obtain(self, *, online: bool = True) -> tuple[Path, list[Path]]:
        """The directory and the files, downloaded from the Hub where this machine does not have them.

        Args:
            online: whether the Hub may be asked.

        Raises:
            FileNotFoundError: naming the Hub id, every place that was looked at and why there was no download. Its
                cause is a ``HubUnreachableError`` where asking for anything else is of no use.
        """
        found = self.find()
        if found is not None:
            return found
        if not is_hub_id(self.source):
            raise FileNotFoundError(f"{self.owner}: there is no directory {self.source}")
        if hub.is_offline():
            raise FileNotFoundError(self._missing("HF_HUB_OFFLINE is set"))
        if not online:
            raise FileNotFoundError(self._missing("the Hub cannot be reached"))
        try:
            return self._download()
        except hub.HubUnreachableError as error:
            raise FileNotFoundError(self._missing("the Hub cannot be reached")) from error
        except (OSError, ValueError) as error:
            raise FileNotFoundError(self._missing(f"the Hub answered {type(error).__name__}")) from error

    def sizes(self) -> list[int | None] | None:
        """The sizes in bytes of the files to download; None where the Hub does not tell.

        Raises:
            HubUnreachableError: if the Hub does not answer.
        """
        if hub.is_offline() or not is_hub_id(self.source):
            return None
        try:
            files = hub.file_sizes(self.source, self.kind)
        except hub.HubUnreachableError:
            raise
        except (OSError, ValueError):
            return None
        for choice in self.choices:
            if _matching(files, choice.essential):
                return [files[name] for name in _matching(files, choice.patterns)]
        return None

    def places(self) -> list[str]:
        """Where it is looked for on this machine, first to last."""
        cache = [f"the cache {self.cache()}"] if is_hub_id(self.source) else []
        return [f"{self.source} (from {os.getcwd()})", *map(str, copies(self.source, self.root)), *cache]

    def cache(self) -> Path:
        """The directory of downloads."""
        return hub.cache_directory(self.cache_dir)

    def _download(self) -> tuple[Path, list[Path]]:
        for choice in self.choices:
            snapshot = hub.download(self.source, self.kind, choice.patterns, self.cache_dir)
            if files := _complete(choice, snapshot):
                return snapshot, files
        wanted = ", ".join(self.choices[0].essential)
        raise ValueError(f"{self.source} has none of the files that are needed: {wanted}")

    def _missing(self, reason: str) -> str:
        places = ", ".join(self.places())
        return f"{self.owner}: {self.source!r} is neither in {places}, nor could it be downloaded: {reason}"


def _complete(choice: Choice, directory: Path) -> list[Path]:
    try:
        return choice.files_in(directory)
    except FileNotFoundError:
        return []


def _matching(files: Iterable[str], patterns: Sequence[str]) -> list[str]:
    return [name for name in files if any(fnmatch(name, pattern) for pattern in patterns)]
