"""The base of every method: ``run(modelpool)`` returns a merged model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fusion_bench.utils.configurable import Configurable

if TYPE_CHECKING:
    from fusion_bench.modelpool.base_pool import BaseModelPool
    from fusion_bench.runtime import Runtime


@dataclass(kw_only=True, eq=False, repr=False)  # generated from no fields, both would ignore an ``__init__`` of its own
class BaseAlgorithm(Configurable, ABC):
    """Turns a model pool into a merged model.

    A subclass is a dataclass whose fields are its hyper-parameters, or a class with an ``__init__`` of its own that
    lists ``{attribute: config key}`` in ``_config_mapping``.
    """

    @abstractmethod
    def run(self, modelpool: Any, runtime: Runtime | None = None) -> Any:
        """Merge the models of ``modelpool``: a pool, a dict of modules by name, or a list of modules."""

    def loaded_names(self, modelpool: BaseModelPool) -> list[str]:
        """The models of the pool that :meth:`run` loads; all of them, unless a method says otherwise."""
        return modelpool.all_model_names

    def trained_names(self, modelpool: BaseModelPool) -> list[str]:
        """The models whose training data :meth:`run` reads, as far as the pool has it; none, unless a method does."""
        return []

    def on_run_start(self) -> None:
        """Called before :meth:`run` does anything."""

    def on_run_end(self) -> None:
        """Called after :meth:`run`, also when it failed."""

    @contextmanager
    def running(self) -> Iterator[None]:
        """Call :meth:`on_run_start`, and :meth:`on_run_end` however the block ends; do nothing inside another block.

        Whoever starts a run enters it: a ``run`` of ours for plain Python, the program for a ``run`` that does not.
        """
        if vars(self).get("_is_running", False):
            yield
            return
        self._is_running = True
        try:
            self.on_run_start()
            yield
        finally:
            self._is_running = False
            self.on_run_end()
