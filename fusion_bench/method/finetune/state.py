"""What an interrupted fine-tuning run leaves behind, and whether a new one may go on from it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from fusion_bench.method.finetune.progress import Progress
from fusion_bench.method.finetune.record import CurvePoint
from fusion_bench.method.resume import open_run
from fusion_bench.utils.files import atomic_path, read_json

_KEPT = "kept."


def recorded_seed(log_dir: Path | None) -> int | None:
    """The seed that an earlier run in ``log_dir`` used, if there was one."""
    path = log_dir / "resume" / "run.json" if log_dir else None
    return int(read_json(path)["seed"]) if path and path.exists() else None


@dataclass(frozen=True)
class SavedRun:
    """The state of a run in ``{log_dir}/resume``: ``run.json`` says which run, ``state.safetensors`` how far it is."""

    directory: Path

    @classmethod
    def open(cls, log_dir: Path, identity: Mapping[str, Any], *, resume: bool) -> SavedRun:
        """Start a run in ``log_dir``, or go on with the one that is there.

        Raises:
            FileExistsError: if there is a run and ``resume`` is false.
            ValueError: if there is another run, naming the first difference.
        """
        return cls(open_run(log_dir, identity, tuple(identity), resume=resume))

    def save(self, progress: Progress, tensors: Mapping[str, Tensor]) -> None:
        """Replace the saved state: ``tensors`` by name, and the progress with the weights it keeps."""
        from safetensors.torch import save_file

        entries = asdict(replace(progress, kept={}))
        stored = {**tensors, **{f"{_KEPT}{name}": tensor for name, tensor in progress.kept.items()}}
        with atomic_path(self._path) as partial:
            save_file(
                {name: tensor.detach().cpu().contiguous() for name, tensor in stored.items()},
                partial,
                metadata={"progress": json.dumps(entries)},
            )

    def load(self) -> tuple[Progress, dict[str, Tensor]]:
        """The saved progress and tensors; a fresh progress and no tensors before the first save."""
        from safetensors import safe_open

        if not self._path.exists():
            return Progress(), {}
        with safe_open(self._path, "pt") as file:
            entries = json.loads(file.metadata()["progress"])
            # Copies: the mapped file is replaced by the next save.
            stored = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
        entries["curve"] = [CurvePoint(**point) for point in entries["curve"]]
        entries["kept"] = {
            name.removeprefix(_KEPT): stored.pop(name) for name in list(stored) if name.startswith(_KEPT)
        }
        return Progress(**entries), stored

    @property
    def _path(self) -> Path:
        return self.directory / "state.safetensors"
