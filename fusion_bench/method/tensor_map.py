"""How a run computes tensors: dearest first, each by its fixed owner, and the state kept where the run wants it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar, cast

import torch
from torch import Tensor

from fusion_bench.functional.params import Params, work_dtype
from fusion_bench.method.state import MergeState, Update
from fusion_bench.models.mapped import MappedTensors
from fusion_bench.models.tensor_file import Form, TensorFile
from fusion_bench.utils.executors import Executor, Tick, balanced, dearest_first

T = TypeVar("T")


class TensorMap:
    """Applies functions to named tensors with the executor of a run.

    Args:
        executor: computes them; it has been entered.
        costs: what a tensor costs, in any unit; owners get shares of about equal cost.
        tick: told about progress as ``tick(done, total)``.
        store: where the accumulator of each step is kept; None keeps it in memory.
    """

    def __init__(
        self,
        executor: Executor,
        costs: Mapping[str, float],
        *,
        tick: Tick | None = None,
        store: StateFiles | None = None,
    ) -> None:
        self._executor, self._costs, self._tick, self._store = executor, costs, tick, store
        self.owner_of = balanced(costs, max(1, executor.owners))
        self._kept = MappedTensors({})  # the accumulators that the last map put into files
        self._handed_out: dict[str, Tensor] = {}  # as the method has got them
        self.following: Params | None = None  # the model after the one in work
        self._current: dict[str, Tensor] = {}  # the accumulator of the latest state, where it is in memory

    def __call__(self, function: Callable[[str], T], names: Sequence[str]) -> dict[str, T]:
        """``{name: function(name)}``; the accumulator of an :class:`Update` is read from where it is kept."""
        owner_of = {name: self.owner_of.get(name, 0) for name in names}
        order = dearest_first(names, {name: self._costs.get(name, 0.0) for name in names})
        if isinstance(self.following, MappedTensors):
            function = _ReadingAhead(function, self.following)
        if self._store is None:
            results = self._executor.map(_Replacing(function, self._current), order, self._tick, owner_of)
            return {name: results[name] for name in names}
        files = self._store.next_files(owner_of)
        numbers = self._executor.map(_Storing(function, files), order, self._tick, owner_of)
        kept = {name: (files[name].path, name) for name in names if isinstance(numbers[name], Update)}
        if kept:
            self._store.require(files[name].path for name in kept)
            self._kept = MappedTensors(kept).open()
            self._handed_out = {name: self._kept[name] for name in kept}
        return {name: cast(T, self._complete(name, numbers[name])) for name in names}

    def _complete(self, name: str, result: object) -> object:
        return result._replace(accumulator=self._handed_out[name]) if isinstance(result, Update) else result

    def keep(self, state: MergeState) -> MergeState:
        """The state after a step, its accumulator in files if that is where this run keeps it; older ones go."""
        accumulator = state.accumulator
        if self._store is None:
            self._current = Replaced(accumulator)
            return replace(state, accumulator=self._current)
        if any(tensor is not self._handed_out.get(name) for name, tensor in accumulator.items()):
            # A method that does not say which tensors are those of its next state: they are here, in memory.
            files = self._store.next_files(dict.fromkeys(accumulator, 0))
            for name, tensor in accumulator.items():
                files[name].write(name, tensor)
            self._kept = MappedTensors({name: (files[name].path, name) for name in accumulator})
        kept = self._kept.renamed({name: name for name in accumulator}).open()
        self._handed_out = {}
        self._store.forget_all_but(kept.paths)
        return replace(state, accumulator=kept)

    def forget(self) -> None:
        """Give up the state, which nothing follows."""
        self._current = {}


class StateFiles:
    """Files for the tensors of one state after the other, in a directory of their own; a context manager.

    Args:
        parent: where the directory is made; None is the system's place for temporary files.
        like: tensors of the shapes of an accumulator, and of dtypes that it has or is wider than.
    """

    def __init__(self, parent: Path | None, like: Params) -> None:
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
        self._count += 1
        place = self._directory / f"{self._count:06d}"
        by_owner: dict[int, dict[str, Form]] = {}
        for name, owner in owner_of.items():
            if name in self._forms:
                by_owner.setdefault(owner, {})[name] = self._forms[name]
        files = {owner: TensorFile(place / f"{owner:05d}.safetensors", forms) for owner, forms in by_owner.items()}
        return {name: files[owner] for name, owner in owner_of.items() if owner in files}

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


class Replaced(dict[str, Tensor]):
    """An accumulator in memory, of which a tensor goes as soon as that of the next state is there."""

    def __missing__(self, name: str) -> Tensor:
        raise KeyError(
            f"{name!r} was given up for its Update: read the accumulator before the map that returns one, or in it"
        )


class _ReadingAhead:
    """A function that has its owner's part of the next model read from disk while it computes."""

    def __init__(self, function: Callable[[str], Any], following: MappedTensors) -> None:
        self._function, self._following = function, following

    def __call__(self, name: str) -> Any:
        if name in self._following:
            self._following.read_ahead(name)
        return self._function(name)


class _Replacing:
    """A function whose updates take the place of tensors in memory."""

    def __init__(self, function: Callable[[str], Any], current: dict[str, Tensor]) -> None:
        self._function, self._current = function, current

    def __call__(self, name: str) -> Any:
        result = self._function(name)
        if isinstance(result, Update):
            self._current.pop(name, None)
        return result


class _Storing:
    """A function whose updates go to files; what comes back are their numbers."""

    def __init__(self, function: Callable[[str], Any], files: Mapping[str, TensorFile]) -> None:
        self._function, self._files = function, files

    def __call__(self, name: str) -> Any:
        result = self._function(name)
        if isinstance(result, Update):
            self._files[name].write(name, result.accumulator)
            return result._replace(accumulator=torch.empty(0))
        return result
