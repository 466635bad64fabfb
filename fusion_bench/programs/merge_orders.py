"""Merge the models of a pool in several orders and say how much the order matters; also for plain Python."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from fusion_bench.callbacks.progress import ProgressDisplay
from fusion_bench.callbacks.shared_scores import SharedScores
from fusion_bench.method.continual import ContinualAlgorithm
from fusion_bench.modelpool.base_pool import as_modelpool
from fusion_bench.programs.inputs import check_inputs
from fusion_bench.programs.merge import MergeJob
from fusion_bench.programs.order_backends import (
    FailedOrderError,
    backend_for,
    in_threads,
    in_turn,
    on_ray,
    share_of_cores,
)
from fusion_bench.programs.order_checks import check_continual, choose_orders, open_orders
from fusion_bench.programs.order_runs import SCORES_DIRECTORY, OrderFiles, OrderOutcome, OrderRuns
from fusion_bench.programs.orders import (
    RAY,
    Order,
    OrderError,
    OrderSettings,
    order_directory,
)
from fusion_bench.reporting.orders_report import OrdersReport
from fusion_bench.reporting.tables import percent
from fusion_bench.utils.executors import Executor, ThreadExecutor
from fusion_bench.utils.files import write_json
from fusion_bench.utils.timing import Profile

log = logging.getLogger(__name__)

ORDERS_REPORT = "orders_report.json"


@dataclass(frozen=True)
class OrdersResult:
    """What several orders give: their reports together, and the time by phase of those that were run now."""

    report: OrdersReport
    profile: Profile


def merge_in_orders(
    algorithm: ContinualAlgorithm,
    modelpool: Any,
    taskpool: Any = None,
    *,
    orders: Any,
    log_dir: str | Path | None = None,
    resume: bool = False,
    seed: int | None = None,
    individual: Mapping[str, float] | None = None,
    executor: Executor | None = None,
    device: torch.device | str = "cpu",
    autocast: Callable[[], AbstractContextManager[object]] = nullcontext,
    prefetch: str = "fusion_bench_prefetch modelpool=OPTION taskpool=OPTION",
) -> OrdersResult:
    """Merge the models of a pool in several orders and score the result of each.

    Args:
        algorithm: a continual method, whose own order, seed and shuffling are left at their defaults.
        modelpool: a pool, a dict of modules by name, or a list of modules.
        taskpool: scores merged models; None scores nothing.
        orders: as the key ``orders`` of a configuration: ``{"count": 10, "seed": 42}``, a list of lists of names, or
            the path of an ``orders.json``.
        log_dir: directory of the run, with a directory for each order inside; None writes no file.
        resume: keep what is finished in ``log_dir`` and go on with the rest.
        seed: draws the orders where ``orders`` has no seed.
        individual: accuracy, in 0..1, of each fine-tuned model on its own task.
        executor: what merges tensors: threads, unless another one is given.
        device: where tensors are merged.
        autocast: makes the context in which models are evaluated.
        prefetch: the command that downloads what this run needs.

    Raises:
        ValueError: if the orders or the method cannot be right, or those of an interrupted run were others.
        FileNotFoundError: naming everything that is missing, before anything is merged.
        OrderError: when an order fails; finished ones are kept.
    """
    settings, pool = OrderSettings.read(orders), as_modelpool(modelpool)
    check_continual(algorithm)
    directory = Path(log_dir) if log_dir is not None else None
    chosen = choose_orders(settings, pool.model_names, seed, directory if resume else None)
    job = MergeJob(
        pool=pool,
        taskpool=taskpool,
        individual=individual or {},
        executor=executor or ThreadExecutor(),
        device=torch.device(device),
        autocast=autocast,
        fingerprints=check_inputs(algorithm, pool, taskpool, prefetch),
    )
    runs = order_runs(algorithm, job, chosen, directory, OrderFiles(), resume=resume)
    open_orders(runs)
    return run_orders(runs, settings, lambda: runs, "merge_in_orders(..., resume=True) goes on with the others")


def order_runs(
    algorithm: ContinualAlgorithm,
    job: MergeJob,
    orders: tuple[Order, ...],
    log_dir: Path | None,
    files: OrderFiles,
    *,
    resume: bool,
) -> OrderRuns:
    """The orders of a run, with scores that are shared through its directory."""
    scores = SharedScores(algorithm.order_free, log_dir / SCORES_DIRECTORY if log_dir is not None else None)
    job = replace(job, models_checked=True)  # once, by open_orders
    return OrderRuns(
        algorithm=algorithm, job=job, orders=orders, log_dir=log_dir, files=files, shared=scores, resume=resume
    )


def run_orders(
    runs: OrderRuns, settings: OrderSettings, make_runs: Callable[[], OrderRuns], advice: str
) -> OrdersResult:
    """Run every order that is not finished, and write what all of them come to.

    Args:
        runs: the orders.
        settings: how many at a time, and where.
        make_runs: makes ``runs`` in another process.
        advice: how to go on with a run of which an order failed.

    Raises:
        OrderError: when an order fails.
    """
    count = len(runs.orders)
    outcomes = {index: found for index in range(count) if runs.resume and (found := runs.finished(index))}
    if outcomes:
        log.info("%d of %d orders were finished earlier", len(outcomes), count)
    pending = [index for index in range(count) if index not in outcomes]
    profile, display = Profile(), ProgressDisplay(count)
    for index, outcome in outcomes.items():
        display.finish(index, len(outcome.continual.order))
    try:
        with display, closing(_backend(runs, settings, make_runs, pending, display)) as merged:
            for outcome in merged:
                outcomes[outcome.index] = outcome
                profile.add(dict(outcome.seconds), dict(outcome.calls))
                display.finish(outcome.index, len(outcome.continual.order))
                log.info("%s; %d to go", _sentence(outcome, count), count - len(outcomes))
    except FailedOrderError as failed:
        what = f"order {failed.index + 1} of {count} ({', '.join(runs.orders[failed.index])}) failed"
        raise OrderError(what, _kept(runs, advice)) from failed.__cause__
    except KeyboardInterrupt:
        log.error("interrupted. %s", _kept(runs, advice))
        raise
    reports = {order_directory(index): outcomes[index].continual for index in range(count)}
    report = OrdersReport(reports)
    if runs.log_dir is not None:
        write_json(runs.log_dir / ORDERS_REPORT, report.to_dict())
    return OrdersResult(report, profile)


def _backend(
    runs: OrderRuns,
    settings: OrderSettings,
    make_runs: Callable[[], OrderRuns],
    pending: Sequence[int],
    display: ProgressDisplay,
) -> Generator[OrderOutcome, None, None]:
    """The outcomes of the pending orders, from where the settings want them merged."""
    executor, parallel = runs.job.executor, min(settings.parallel, max(1, len(pending)))
    if parallel == 1 and settings.backend != RAY:
        return in_turn(runs, pending, display)
    cores = share_of_cores(executor, parallel)
    if backend_for(settings.backend, executor) == RAY:
        address = getattr(executor, "ray_address", None)
        return on_ray(make_runs, pending, display, parallel, cores=cores, address=address)
    return in_threads(runs, pending, display, parallel)


def _sentence(outcome: OrderOutcome, count: int) -> str:
    report = outcome.continual
    metrics = (("ACC", report.average_accuracy), ("BWT", report.backward_transfer))
    known = ", ".join(f"{name} {percent(value)}" for name, value in metrics if value is not None)
    return f"order {outcome.index + 1} of {count} finished in {outcome.wall:.1f} s{f': {known}' if known else ''}"


def _kept(runs: OrderRuns, advice: str) -> str:
    if runs.log_dir is None:
        return "Without a log_dir nothing was kept"
    done = sum(runs.finished(index) is not None for index in range(len(runs.orders)))
    return f"{done} of {len(runs.orders)} orders are finished and kept in {runs.log_dir}; {advice}"
