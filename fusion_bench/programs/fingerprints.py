"""Which files a run was made from: their SHA-256, as a report lists them and as a run can demand them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fusion_bench.models.fingerprint import combined_sha256, file_hashes
from fusion_bench.sources.needed import Needed

MODELS = "models"
_LISTED = 32  # files of one part that a report names one by one; those of a model are all named


@dataclass(frozen=True)
class Input:
    """One part of a run and the files it is read from."""

    needed: Needed
    directory: Path
    files: list[Path]

    def names(self) -> list[str]:
        """The files, relative to the directory."""
        return [file.relative_to(self.directory).as_posix() for file in self.files]


def fingerprints_of(inputs: Sequence[Input]) -> dict[str, Any]:
    """For each part by section and name: where it came from and the SHA-256 of its files, together and one by one."""
    hashes = file_hashes().of([file for part in inputs for file in part.files])
    sections: dict[str, Any] = {}
    for part in inputs:
        files = {name: hashes[file] for name, file in zip(part.names(), part.files, strict=True)}
        entry: dict[str, Any] = {"source": part.needed.source, "sha256": combined_sha256(files)}
        listed = part.needed.section == MODELS or len(files) <= _LISTED
        entry |= {"files": files} if listed else {"file_count": len(files)}
        sections.setdefault(part.needed.section, {})[part.needed.name] = entry
    return sections


def check_expected(
    expected: Mapping[str, Any], known: Sequence[str], loaded: Sequence[str], models: Mapping[str, Any]
) -> None:
    """Compare the fingerprints of models with those that a run demands.

    Args:
        expected: model to SHA-256, or to a mapping from file to SHA-256.
        known: the models of the pool.
        loaded: those that the method loads; no other one is compared.
        models: the fingerprints of those that are read from files.

    Raises:
        KeyError: if the pool has no such model.
        ValueError: naming the model, the file or files, what was expected and what was found.
    """
    for name, demanded in expected.items():
        if name not in known:
            raise KeyError(f"modelpool.expect: no model {name!r} in this pool; it has {list(known)}")
        if name in loaded and name not in models:
            raise ValueError(f"modelpool.expect: model {name!r} is not read from files, so it has no SHA-256")
        if name in loaded:
            _compare(name, demanded, models[name])


def _compare(name: str, demanded: Any, entry: Mapping[str, Any]) -> None:
    """Compare one model, as a whole or file by file."""
    found = entry["files"]
    if not isinstance(demanded, Mapping):
        together = ", ".join(found)
        demanded, found = {together: demanded}, {together: entry["sha256"]}
    for file, expected in demanded.items():
        if found.get(file) != str(expected).lower():
            raise ValueError(
                f"model {name!r} is not the expected one: {file} of {entry['source']!r} has SHA-256 "
                f"{found.get(file)}, expected {expected} (modelpool.expect)"
            )
