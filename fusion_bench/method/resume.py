"""What an interrupted continual run leaves behind, and whether a new one may go on from it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fusion_bench.utils.files import atomic_path, read_json, remove_partial, write_json

if TYPE_CHECKING:
    import torch

    from fusion_bench.method.continual import MergeState

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

    def save(self, state: MergeState, index: int) -> None:
        """Replace the saved state by the one after step ``index``."""
        from safetensors.torch import save_file

        scalars = {
            "index": index,
            "divisor": state.divisor,
            "count": state.count,
            "task_vector_norm": state.task_vector_norm,
            "norm_sum": state.norm_sum,
            "accumulator_norm": state.accumulator_norm,
            "split_ranks": dict(state.split_ranks),
        }
        with atomic_path(self._path) as partial:
            tensors = {name: tensor.cpu().contiguous() for name, tensor in state.accumulator.items()}
            save_file(tensors, partial, metadata={"state": json.dumps(scalars)})

    def load(self, device: torch.device) -> tuple[MergeState | None, int]:
        """The saved state and the number of complete steps; ``(None, 0)`` before the first."""
        from safetensors import safe_open

        from fusion_bench.method.continual import MergeState

        if not self._path.exists():
            return None, 0
        with safe_open(self._path, "pt") as file:
            scalars = json.loads(file.metadata()["state"])
            # Copies: the mapped file is replaced after the next step.
            accumulator = {name: file.get_tensor(name).clone().to(device) for name in file.keys()}  # noqa: SIM118
        index = scalars.pop("index")
        return MergeState(accumulator=accumulator, **scalars), index + 1

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
