"""What an interrupted continual run leaves behind, and whether a new one may go on from it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fusion_bench.method.state import MergeState
from fusion_bench.models.mapped import MappedTensors, tensor_names
from fusion_bench.models.tensor_file import TensorFile
from fusion_bench.utils.files import atomic_directory, atomic_path, link_or_copy, read_json, remove_partial, write_json

if TYPE_CHECKING:
    from fusion_bench.runtime import Runtime

_DIRECTORY = "resume"
_ORDER_FILE = "model_names.json"


def recorded_order(log_dir: Path) -> list[str] | None:
    """The order an earlier run in ``log_dir`` used, if there was one."""
    path = log_dir / _DIRECTORY / "run.json"
    return list(read_json(path)["order"]) if path.exists() else None


@dataclass(frozen=True)
class ResumeFile:
    """The state of a run on disk, replaced as a whole after each complete step."""

    directory: Path

    @classmethod
    def open(cls, log_dir: Path, identity: Mapping[str, Any], *, resume: bool) -> ResumeFile:
        """Start a run in ``log_dir``, or go on with the one that is there.

        Raises:
            FileExistsError: if there is a run and ``resume`` is false.
            ValueError: if there is a run of another method, order, setting or set of checkpoints.
        """
        directory = open_run(log_dir, identity, ("method", "settings", "order", "fingerprints"), resume=resume)
        write_json(log_dir / _ORDER_FILE, list(identity["order"]))
        return cls(directory)

    def save(self, state: MergeState, index: int, files: Sequence[Path]) -> None:
        """Replace the saved state by the one after step ``index``, whose accumulator is in ``files``."""
        scalars = {
            "index": index,
            "files": self._keep_files(files, index),
            "divisor": state.divisor,
            "count": state.count,
            "task_vector_norm": state.task_vector_norm,
            "norm_sum": state.norm_sum,
            "accumulator_norm": state.accumulator_norm,
            "split_ranks": dict(state.split_ranks),
        }
        with atomic_path(self._path) as partial:
            TensorFile(partial, {}, metadata={"state": json.dumps(scalars)}).create()
        self._forget_all_but(index)

    def load(self, runtime: Runtime, *, in_files: bool = False) -> tuple[MergeState | None, int]:
        """The saved state and the number of complete steps; ``(None, 0)`` before the first.

        Args:
            runtime: says where the state goes.
            in_files: leave its tensors in their files, memory-mapped.
        """
        from safetensors import safe_open

        if not self._path.exists():
            return None, 0
        with safe_open(self._path, "pt") as file:
            scalars = json.loads(file.metadata()["state"])
        index = scalars.pop("index")
        self._forget_all_but(index)  # a run that was killed may not have come to that
        files = [self.directory / name for name in scalars.pop("files", [])] or [self._path]
        held = {name: (path, name) for path in files for name in tensor_names(path, "the saved state")}
        mapped = MappedTensors(held).absolute()
        if in_files:
            return MergeState(accumulator=mapped.open(), **scalars), index + 1
        # Copies: the files are replaced after the next step.
        accumulator = {name: tensor.clone().to(runtime.merging_device) for name, tensor in mapped.items()}
        return MergeState(accumulator=accumulator, **scalars), index + 1

    def _keep_files(self, paths: Sequence[Path], index: int) -> list[str]:
        """Names, in the directory, of files with the content of ``paths``, which others may delete then."""
        place = self.directory / f"step_{index}"
        with atomic_directory(place) as partial:
            for path in paths:
                link_or_copy(path, partial / path.name)
        return [f"{place.name}/{path.name}" for path in paths]

    def _forget_all_but(self, index: int) -> None:
        """Delete the files of all steps but one."""
        for place in sorted(self.directory.glob("step_*")):
            if place.name != f"step_{index}":
                shutil.rmtree(place, ignore_errors=True)

    @property
    def _path(self) -> Path:
        return self.directory / "state.safetensors"


def open_run(log_dir: Path, identity: Mapping[str, Any], parts: Sequence[str], *, resume: bool) -> Path:
    """Start a run in ``log_dir``, or go on with the one that is there; the directory of its state.

    Args:
        log_dir: the directory of the run.
        identity: what identifies it; written to ``resume/run.json`` of a new run.
        parts: the keys of ``identity`` that must be the same to go on, in this order.
        resume: whether to go on with a run that is there.

    Raises:
        FileExistsError: if there is a run and ``resume`` is false.
        ValueError: if there is another run, naming the first difference.
    """
    directory = log_dir / _DIRECTORY
    path = directory / "run.json"
    for place in (log_dir, directory) if resume else ():
        remove_partial(place)
    identity = json.loads(json.dumps(identity))
    if not path.exists():
        write_json(path, identity)
    elif resume:
        _require_same(read_json(path), identity, log_dir, parts)
    else:
        raise FileExistsError(
            f"{log_dir} already holds a run. Add resume=true to go on with it, choose another log directory, or "
            "remove this one."
        )
    return directory


def _require_same(before: Mapping[str, Any], now: Mapping[str, Any], log_dir: Path, parts: Sequence[str]) -> None:
    """Refuse to mix two runs.

    Args:
        before: what identifies the run that is there.
        now: what identifies the one that is to go on with it.
        log_dir: its directory.
        parts: the keys that are compared, in this order.

    Raises:
        ValueError: naming the first difference.
    """
    for part in parts:
        old, new = before.get(part), now.get(part)
        if old == new:
            continue
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            key = next(key for key in [*old, *new] if old.get(key) != new.get(key))
            part, old, new = f"{part}.{key}", old.get(key), new.get(key)
        raise ValueError(
            f"cannot resume the run in {log_dir}: its {part} was {old!r}, now it is {new!r}. Run with the same "
            "setting, or choose another log directory."
        )
