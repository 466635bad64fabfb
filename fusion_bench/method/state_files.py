"""Files for the state of a run, one after the other."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from fusion_bench.functional.params import Params, work_dtype
from fusion_bench.models.tensor_file import Form, TensorFile


class StateFiles:
    """Files for the tensors of one state after the other, in a directory of their own; a context manager.

    Args:
        parent: where the directory is made; None is the system's place for temporary files.
        like: tensors of the shapes of an accumulator, and of dtypes that it has or is wider than.
        copies: whether the accumulator is in memory as well, and the files are for whoever goes on with the run.
    """

    def __init__(self, parent: Path | None, like: Params, *, copies: bool = False) -> None:
        self.copies = copies
        self._forms = {name: Form(work_dtype(tensor), tuple(tensor.shape)) for name, tensor in like.items()}
        if parent is not None:
            parent.mkdir(parents=True, exist_ok=True)
        self._directory = Path(tempfile.mkdtemp(prefix=".partial-state-", dir=parent)).absolute()
        self._count = 0

    def __enter__(self) -> StateFiles:
        return self

    def __exit__(self, *error: object) -> None:
        shutil.rmtree(self._directory, ignore_errors=True)

    def next_files(self, owner_of: Mapping[str, int]) -> dict[str, TensorFile]:
        """A new file for each owner, as the file of each name; nothing is created yet."""
        place = self._next_place()
        by_owner: dict[int, dict[str, Form]] = {}
        for name, owner in owner_of.items():
            if name in self._forms:
                by_owner.setdefault(owner, {})[name] = self._forms[name]
        files = {owner: TensorFile(place / f"{owner:05d}.safetensors", forms) for owner, forms in by_owner.items()}
        return {name: files[owner] for name, owner in owner_of.items() if owner in files}

    def next_file(self, forms: Mapping[str, Form]) -> TensorFile:
        """A new file for tensors of ``forms``; nothing is created yet."""
        return TensorFile(self._next_place() / f"{0:05d}.safetensors", forms)

    def _next_place(self) -> Path:
        self._count += 1
        return self._directory / f"{self._count:06d}"

    def require(self, paths: Iterable[Path]) -> None:
        """Check that what the owners wrote can be seen here.

        Raises:
            FileNotFoundError: naming the first file that cannot.
        """
        for path in dict.fromkeys(paths):
            if not path.exists():
                raise FileNotFoundError(
                    f"the state was written to {path} on another machine, where this process does not see it; set "
                    "method.offload_dir to a directory that all machines share"
                )

    def forget_all_but(self, paths: Sequence[Path]) -> None:
        """Delete the files of all states but the one in ``paths``."""
        wanted = {path.parent for path in paths}
        for place in sorted(self._directory.iterdir()):
            if place not in wanted:
                shutil.rmtree(place, ignore_errors=True)
