"""How a run computes tensors: dearest first, each by its fixed owner, and the state kept where the run wants it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol, TypeVar, cast

import torch
from torch import Tensor

from fusion_bench.functional.params import Params
from fusion_bench.method.state import Base, MergeState, Update
from fusion_bench.method.state_files import StateFiles
from fusion_bench.models.mapped import MappedTensors
from fusion_bench.models.tensor_file import Form, TensorFile
from fusion_bench.runtime import Runtime
from fusion_bench.utils.executors import Executor, Tick, balanced, dearest_first

T = TypeVar("T")


class TensorMap:
    """Applies functions to named tensors with the executor of a run.

    Args:
        executor: computes them; it has been entered.
        costs: what a tensor costs, in any unit; owners get shares of about equal cost.
        tick: told about progress as ``tick(done, total)``.
        store: files for the accumulator of each step; None keeps it in memory alone.
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
        self.in_files = store is not None and not store.copies  # where the method finds its accumulator
        self.kept = MappedTensors({})  # the accumulator of the latest state in its files, if there is a store
        self._handed_out: dict[str, Tensor] = {}  # as the method has got them
        self.following: Params | None = None  # the model after the one in work
        self._current: dict[str, Tensor] = {}  # the accumulator of the latest state, where it is in memory

    def __call__(self, function: Callable[[str], T], names: Sequence[str]) -> dict[str, T]:
        """``{name: function(name)}``; the accumulator of an :class:`Update` is read from where it is kept."""
        owner_of = {name: self.owner_of.get(name, 0) for name in names}
        order = dearest_first(names, {name: self._costs.get(name, 0.0) for name in names})
        if isinstance(self.following, MappedTensors):
            function = _ReadingAhead(function, self.following)
        files = self._store.next_files(owner_of) if self._store else {}
        if not self.in_files:
            function = _Replacing(function, self._current)
        if self._store:
            function = _Storing(function, files, copies=not self.in_files)
        results = self._executor.map(function, order, self._tick, owner_of)
        updates = {name: result for name, result in results.items() if isinstance(result, Update)}
        if self._store and updates:
            self._note(updates, files, self._store)
        if self.in_files:
            results = {name: cast(T, self._complete(name, result)) for name, result in results.items()}
        return {name: results[name] for name in names}

    def _note(self, updates: Mapping[str, Update], files: Mapping[str, TensorFile], store: StateFiles) -> None:
        """Remember which tensors are in files, and what the method has of them."""
        if self.in_files:
            store.require(files[name].path for name in updates)
            self.kept = MappedTensors({name: (files[name].path, name) for name in updates}).open()
            self._handed_out = dict(self.kept)
        elif files.keys() == updates.keys():  # else the file has room for what is no part of the state
            held = {name: result.accumulator for name, result in updates.items()}
            self._handed_out = {name: tensor for name, tensor in held.items() if _fits(name, tensor, files)}
            self.kept = MappedTensors({name: (files[name].path, name) for name in self._handed_out})

    def _complete(self, name: str, result: object) -> object:
        return result._replace(accumulator=self._handed_out[name]) if isinstance(result, Update) else result

    def start(self, state: MergeState) -> MergeState:
        """The state that a run goes on from."""
        return state if self.in_files else self._in_memory(state)

    def keep(self, state: MergeState) -> MergeState:
        """The state after a step, its accumulator where this run keeps it; older ones go."""
        if self._store is None:
            return self._in_memory(state)
        accumulator = state.accumulator
        if any(tensor is not self._handed_out.get(name) for name, tensor in accumulator.items()):
            # A method that does not say which tensors are those of its next state: they are here, in memory.
            file = self._store.next_file({name: Form.of(tensor) for name, tensor in accumulator.items()})
            for name, tensor in accumulator.items():
                file.write(name, tensor)
            self.kept = MappedTensors({name: (file.path, name) for name in accumulator})
        self._handed_out = {}
        self._store.forget_all_but(self.kept.paths)
        if not self.in_files:
            return self._in_memory(state)
        self.kept = self.kept.renamed({name: name for name in accumulator}).open()
        return replace(state, accumulator=self.kept)

    def _in_memory(self, state: MergeState) -> MergeState:
        self._current = Replaced(state.accumulator)
        return replace(state, accumulator=self._current)

    def forget(self) -> None:
        """Give up the state, which nothing follows."""
        self._current = {}


class HasCosts(Protocol):
    """What says how the work is shared out."""

    def tensor_cost(self, name: str, base: Base) -> float:
        """What one tensor costs, in any unit."""
        ...


def tensor_mapper(method: HasCosts, base: Base, runtime: Runtime, store: StateFiles | None = None) -> TensorMap:
    """The executor of ``runtime`` as a method sees it; progress goes to the callbacks."""
    return TensorMap(
        runtime.executor,
        {name: method.tensor_cost(name, base) for name in base.params},
        tick=lambda done, total: runtime.notify("on_progress", done, total),
        store=store,
    )


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
    """A function whose updates go to files; unless those are copies, what comes back are their numbers."""

    def __init__(self, function: Callable[[str], Any], files: Mapping[str, TensorFile], *, copies: bool) -> None:
        self._function, self._files, self._copies = function, files, copies

    def __call__(self, name: str) -> Any:
        result = self._function(name)
        if not isinstance(result, Update):
            return result
        if not self._copies:
            self._files[name].write(name, result.accumulator)
            return result._replace(accumulator=torch.empty(0))
        if _fits(name, result.accumulator, self._files):
            self._files[name].write(name, result.accumulator)
        return result


def _fits(name: str, tensor: Tensor, files: Mapping[str, TensorFile]) -> bool:
    """Whether a file was made for such a tensor; a method may have a state of other tensors than the models."""
    return name in files and files[name].fits(name, tensor)
