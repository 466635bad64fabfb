"""The one place that knows user code written for FusionBench: its base class, its mixins and its ``run(modelpool)``."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from fusion_bench.method.base_algorithm import BaseAlgorithm
from fusion_bench.utils.configurable import parameter_names
from fusion_bench.utils.timing import Profile

if TYPE_CHECKING:
    from lightning import Fabric

    from fusion_bench.runtime import Runtime

BaseModelFusionAlgorithm = BaseAlgorithm
C = TypeVar("C", bound=type)


# ---- arguments that record themselves


def auto_register_config(cls: C) -> C:
    """Record the arguments of the decorated class: each becomes an attribute, and together they are its ``config``.

    The attributes are set before the body of ``__init__`` runs. A name that the class already uses for a method or a
    property is recorded without becoming an attribute. A decorated class that inherits from another is described by
    its own arguments alone.

    Examples:
        >>> from fusion_bench import BaseAlgorithm
        >>> @auto_register_config
        ... class Scale(BaseAlgorithm):
        ...     def __init__(self, factor, offset=0.0, **kwargs):
        ...         super().__init__(**kwargs)
        ...
        ...     def run(self, modelpool):
        ...         return modelpool.load_model("0")
        >>> Scale(2.0).factor
        2.0
        >>> Scale(2.0).config_dict()["offset"]
        0.0

    Raises:
        TypeError: if ``__init__`` has parameters that cannot be given by keyword.
    """
    original: Callable[..., None] = cls.__init__  # type: ignore[misc]  # wrapped, not called on an instance
    signature = inspect.signature(original)
    unnamed = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.VAR_POSITIONAL)
    for parameter in list(signature.parameters.values())[1:] if original is not object.__init__ else ():
        if parameter.kind in unnamed:
            raise TypeError(
                f"auto_register_config cannot record {parameter} of {cls.__name__}.__init__: a config gives arguments "
                "by name"
            )

    @functools.wraps(original)
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        arguments = _bind(signature, self, args, kwargs)
        for name, value in arguments.items():
            if not hasattr(inspect.getattr_static(type(self), name, None), "__get__"):
                vars(self)[name] = value
        original(self, *args, **kwargs)
        # The constructor that finishes last is the outermost one, the one a config calls. An outer constructor that is
        # not decorated may have changed what it passes on, so the arguments it names are not known here.
        outer = () if type(self).__init__ is init else parameter_names(type(self))[0]
        vars(self)["_recorded"] = {
            name: (value, vars(self).get(name)) for name, value in arguments.items() if name not in outer
        }

    cls.__init__ = init  # type: ignore[misc]  # this is what a class decorator is for
    return cls


def _bind(signature: inspect.Signature, self: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments by name, defaults filled in and ``**kwargs`` spread out; TypeError as from the call itself."""
    bound = signature.bind(self, *args, **kwargs)
    bound.apply_defaults()
    arguments: dict[str, Any] = {}
    for name, value in list(bound.arguments.items())[1:]:
        if signature.parameters[name].kind is inspect.Parameter.VAR_KEYWORD:
            arguments.update(value)
        else:
            arguments[name] = value
    return arguments


# ---- mixins


class LightningFabricMixin:
    """Gives a method a ``fabric``: the program's while a program runs it, else one built on first use."""

    _fabric_instance: Fabric | None = None

    @property
    def fabric(self) -> Fabric:
        """The Lightning Fabric; on one automatically chosen device and without loggers unless one was injected."""
        if self._fabric_instance is None:
            from lightning import Fabric

            self._fabric_instance = Fabric(devices=1)
        return self._fabric_instance

    @property
    def log_dir(self) -> str | None:
        """Directory of the run, else of the first logger; None where there is neither."""
        program: ProgramView | None = getattr(self, "_program", None)
        if program is not None and program.log_dir is not None:
            return str(program.log_dir)
        loggers = self.fabric.loggers
        return getattr(loggers[0], "log_dir", None) if loggers else None

    def log(self, name: str, value: Any, step: int | None = None) -> None:
        """Send one scalar to the loggers, if there are any."""
        self.fabric.log(name, value, step=step)

    def log_dict(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Send several scalars to the loggers, if there are any."""
        self.fabric.log_dict(metrics, step=step)

    def to_device(self, obj: Any) -> Any:
        """A module, tensor or collection of tensors on the device of the fabric."""
        return self.fabric.to_device(obj)


class SimpleProfilerMixin:
    """Gives a method a stopwatch: ``with self.profile("loading"): …``."""

    _profile: Profile | None = None

    def profile(self, name: str) -> AbstractContextManager[None]:
        """Count the time inside the block towards ``name``."""
        if self._profile is None:
            self._profile = Profile()
        return self._profile(name)

    def print_profile_summary(self) -> None:
        """Write the table of the times to standard output; nothing where nothing was timed."""
        if self._profile is not None and self._profile.seconds:
            sys.stdout.write(f"{self._profile.summary()}\n")


# ---- running


@dataclass(frozen=True, kw_only=True)
class ProgramView:
    """What a method written for FusionBench may read of the program that runs it, as ``self._program``."""

    modelpool: Any
    taskpool: Any
    fabric: Any
    log_dir: Path | None


def run_algorithm(
    algorithm: Any, modelpool: Any, runtime: Runtime, *, fabric: Fabric | None = None, taskpool: Any = None
) -> Any:
    """Run a method, ours or one written for FusionBench, and return what its ``run`` returns.

    A ``run`` with a parameter ``runtime`` is given it; any other is called with the pool alone and sees the program
    as ``self._program`` while it runs. ``on_run_start`` and ``on_run_end`` are called exactly once.

    Args:
        algorithm: an object with ``run(modelpool)`` or ``run(modelpool, runtime)``.
        modelpool: the pool; a dict or list of modules is wrapped into one.
        runtime: device, callbacks and log directory of the run.
        fabric: given to an algorithm with :class:`LightningFabricMixin`.
        taskpool: seen as ``self._program.taskpool``.

    Raises:
        TypeError: if the object has no ``run``.
    """
    from fusion_bench.modelpool.base_pool import as_modelpool

    if not callable(getattr(algorithm, "run", None)):
        raise TypeError(f"the method {type(algorithm).__name__} has no run(modelpool)")
    pool = as_modelpool(modelpool)
    if isinstance(algorithm, LightningFabricMixin) and fabric is not None:
        algorithm._fabric_instance = fabric
    with _hooks(algorithm):
        if "runtime" in inspect.signature(algorithm.run).parameters:
            return algorithm.run(pool, runtime)
        view = ProgramView(modelpool=pool, taskpool=taskpool, fabric=fabric, log_dir=runtime.log_dir)
        with _program(algorithm, view):
            return algorithm.run(pool)


@contextmanager
def _hooks(algorithm: Any) -> Iterator[None]:
    """Call the hooks of the algorithm, which need not inherit from ours."""
    if isinstance(algorithm, BaseAlgorithm):
        with algorithm.running():
            yield
    else:
        yield


@contextmanager
def _program(algorithm: Any, view: ProgramView) -> Iterator[None]:
    """Lend the algorithm a view of the program while it runs."""
    algorithm._program = view
    try:
        yield
    finally:
        algorithm._program = None
