"""Which models arrive, in which order, and their tensors where the executor of a run can read them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from fusion_bench.functional.params import Params, on_device
from fusion_bench.method.state import Base
from fusion_bench.modelpool.base_pool import PRETRAINED, BaseModelPool
from fusion_bench.models.mapped import MappedTensors
from fusion_bench.runtime import Runtime
from fusion_bench.utils.files import read_json


def explicit_order(order: Sequence[str] | str, model_names: Sequence[str]) -> tuple[str, ...]:
    """The order a user gave, as names or as the path of a ``model_names.json``.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if a name is unknown or stands twice, or the file holds no list of names.
    """
    source = ""
    if isinstance(order, str):
        source = f" of {Path(order)}"
        if not Path(order).is_file():
            raise FileNotFoundError(
                f"there is no order file {order}; give the path of a model_names.json, or the names as a list: [a, b]"
            )
        order = read_json(order)
    names = [str(name) for name in order] if isinstance(order, Sequence) and not isinstance(order, str) else []
    if not names:
        raise ValueError(f"the order{source} must be a list of model names, got {order!r}")
    unknown = [name for name in names if name not in model_names]
    if unknown:
        raise ValueError(
            f"the order{source} names {unknown[0]!r}, which is not in the pool; it has {list(model_names)}"
        )
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise ValueError(f"the order{source} names {twice[0]!r} twice")
    return tuple(names)


def load_base(pool: BaseModelPool, order: Sequence[str], runtime: Runtime) -> Base:
    """The pretrained model's tensors, or the first model's where the pool has no pretrained one."""
    params = load_shared(pool, PRETRAINED if pool.has_pretrained else order[0], runtime)
    return Base(params, frozenset(pool.linear_weight_names()), is_pretrained=pool.has_pretrained)


def load_shared(pool: BaseModelPool, name: str, runtime: Runtime) -> Params:
    """The tensors of a model where the executor of ``runtime`` can read them, on the device it computes on."""
    return on_device(_readable(pool, name, runtime), runtime.merging_device)


def _readable(pool: BaseModelPool, name: str, runtime: Runtime) -> Params:
    """The tensors of a model where the executor can read them; mapped from files if that is where they are."""
    params, files = pool.load_params(name), []
    if isinstance(params, MappedTensors):
        params = params.absolute()
        files = params.paths
    return runtime.executor.share(params, f"model {name!r}", files)


def arriving(
    pool: BaseModelPool, order: Sequence[str], first: int, runtime: Runtime
) -> Iterator[tuple[int, Params, Params | None]]:
    """Index and tensors of each model from ``first`` on, and those of the model after it where they are in files."""
    following: Params | None = None
    for index in range(first, len(order)):
        with runtime.profile("loading"):
            incoming = following if following is not None else _readable(pool, order[index], runtime)
            following = None
            if isinstance(incoming, MappedTensors) and index + 1 < len(order):
                following = _readable(pool, order[index + 1], runtime)
        yield index, on_device(incoming, runtime.merging_device), following
