"""What holds before several orders are merged: a method with an order, models that fit, a directory that is theirs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fusion_bench.method.continual import ContinualAlgorithm
from fusion_bench.method.resume import open_run
from fusion_bench.programs.merge import MergeJob
from fusion_bench.programs.order_runs import SCORES_DIRECTORY, OrderRuns
from fusion_bench.programs.orders import ORDERS_FILE, Order, OrderSettings, check_method, order_directory
from fusion_bench.utils.configurable import Configurable
from fusion_bench.utils.files import remove_partial, write_json

# By what a run may differ from the interrupted one that it goes on with: neither changes a number.
_NOT_COMPARED = ("shuffle_order", "order", "seed", "offload_dir", "num_ray_actors", "ray_address")
_NOT_SCORING = (
    "dataloader_kwargs",
    "cache_dir",
    "model_dir",
    "data_dir",
    "pixel_cache_gib",
    "compile",
    "num_ray_actors",
)


def check_continual(algorithm: Any) -> None:
    """Check that a method has an order, and leaves it to the run.

    Raises:
        ValueError: if it merges all models at once, or has an order or a seed of its own.
    """
    if not isinstance(algorithm, ContinualAlgorithm):
        raise ValueError(
            f"orders needs a method that merges one model at a time; {type(algorithm).__name__} does not: choose "
            "method=opcm/..."
        )
    check_method({key: getattr(algorithm, key) for key in ("order", "seed", "shuffle_order")})


def choose_orders(
    settings: OrderSettings, model_names: Sequence[str], seed: int | None, resumed: Path | None
) -> tuple[Order, ...]:
    """The orders of a run: those of the settings, or those that the interrupted run drew where there is no seed.

    Raises:
        ValueError: if they cannot be made of the models.
    """
    drawn_freely = settings.count is not None and settings.seed is None and seed is None
    recorded = resumed / ORDERS_FILE if resumed is not None else None
    if drawn_freely and recorded is not None and recorded.exists():
        before = OrderSettings.read(str(recorded)).orders(model_names, None)
        if len(before) == settings.count:
            return before
        raise ValueError(
            f"the run in {resumed} has {len(before)} orders, now orders.count is {settings.count}. They were drawn "
            "without a seed, so that no further ones can follow; choose another log directory"
        )
    return settings.orders(model_names, seed)


def open_orders(runs: OrderRuns) -> None:
    """Check all models once, and that the directory holds no other run; write the orders to it.

    Raises:
        ValueError: if models do not fit together, or the interrupted run had other orders or settings.
        FileExistsError: if there is a run, and it is not to be resumed.
    """
    pool, names = runs.job.pool, runs.orders[0]
    pool.check(names, needs_pretrained=runs.algorithm.needs_pretrained)
    if runs.log_dir is None:
        return
    settings = {key: value for key, value in runs.algorithm.config_dict().items() if key not in _NOT_COMPARED}
    identity = {
        "method": settings.pop("_target_"),
        "settings": settings,
        "models": sorted(names),
        "fingerprints": pool.fingerprints(sorted(names)),
        "scoring": _scoring(runs.job),
    }
    open_run(runs.log_dir, identity, list(identity), resume=runs.resume)
    # What a killed run began to write, also after the report of an order that counts as finished.
    for name in (SCORES_DIRECTORY, *map(order_directory, range(len(runs.orders)))):
        remove_partial(runs.log_dir / name)
    path = runs.log_dir / ORDERS_FILE
    if path.exists():
        _require_start(OrderSettings.read(str(path)).orders(pool.model_names, None), runs.orders, runs.log_dir)
    write_json(path, [list(order) for order in runs.orders])


def _scoring(job: MergeJob) -> Any:
    """What the scores depend on besides the models: the task pool as it was configured, and the files it reads."""
    taskpool = job.taskpool
    if not isinstance(taskpool, Configurable):
        return type(taskpool).__qualname__ if taskpool is not None else None
    hashes = {
        f"{section}/{name}": entry.get("sha256")
        for section, entries in job.fingerprints.items()
        for name, entry in entries.items()
        if section not in ("models", "model_pool")
    }
    try:
        settings = taskpool.config_dict()
    except TypeError:  # it was given live objects
        settings = {"_target_": type(taskpool).__qualname__}
    fast = getattr(taskpool, "is_fast_dev_run", None)
    return {key: value for key, value in settings.items() if key not in _NOT_SCORING} | {"one_batch": fast} | hashes


def _require_start(before: tuple[Order, ...], now: tuple[Order, ...], log_dir: Path) -> None:
    """Refuse other orders than before; further ones at the end are fine.

    Raises:
        ValueError: naming the first one that differs.
    """
    for index, order in enumerate(before):
        if now[index : index + 1] != (order,):
            found = ", ".join(now[index]) if index < len(now) else "missing"
            raise ValueError(
                f"cannot resume the run in {log_dir}: its order {index + 1} was {', '.join(order)}, now it is {found}. "
                "Run with the same orders, or choose another log directory."
            )
