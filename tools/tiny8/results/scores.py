"""Which test images each merged model classifies rightly."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusion_bench.method import SimpleAverage, TaskArithmetic, TiesMerging
from fusion_bench.method.opcm import OPCM, ContinualTaskArithmetic, ContinualTiesMerging, ContinualWeightAverage
from fusion_bench.modelpool import CLIPVisionModelPool
from fusion_bench.taskpool import CLIPVisionModelTaskPool
from tools.tiny8.suite import BASE, NAMES

ORDERS = 10
SCALING_FACTORS = (0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)
TIES_THRESHOLDS = (20, 50)
Hits = Mapping[str, NDArray[np.float64]]
"""By task: for each test image, the share of runs that classify it rightly, ``(images,)``."""


@dataclass(frozen=True)
class Row:
    """One method of the table."""

    name: str
    hits: Hits
    means: tuple[float, ...]  # over the tasks, one for each order of the models
    options: Mapping[str, float] = field(default_factory=dict)  # those chosen on validation images

    @property
    def accuracies(self) -> dict[str, float]:
        """By task, in 0..1, the mean over orders."""
        return {task: float(hits.mean()) for task, hits in self.hits.items()}

    @property
    def mean(self) -> float:
        """Over the tasks, in 0..1."""
        return float(np.mean(list(self.accuracies.values())))

    @property
    def spread(self) -> float | None:
        """Standard deviation of the mean over the orders of the models; None for one order."""
        return float(np.std(self.means, ddof=1)) if len(self.means) > 1 else None


def model_pool() -> CLIPVisionModelPool:
    """The shipped models."""
    return CLIPVisionModelPool({"_pretrained_": f"tiny8/{BASE}", **{name: f"tiny8/{BASE}_{name}" for name in NAMES}})


def task_pool(split: str) -> CLIPVisionModelTaskPool:
    """The eight tasks on one split of their images."""
    tasks = {
        name: {"dataset": {"path": f"tiny8/{name}", "split": split}, "classnames": f"tiny8/{name}"} for name in NAMES
    }
    return CLIPVisionModelTaskPool(tasks, base_model=f"tiny8/{BASE}", dataloader_kwargs={"batch_size": 256})


def hits_of(model: Any, pool: CLIPVisionModelTaskPool) -> Hits:
    """Where one model is right, on every task."""
    return {task: pool.predict(model, task).correct.double().numpy() for task in pool.task_names}


def row_of(name: str, models: list[Any], pool: CLIPVisionModelTaskPool, options: Mapping[str, float]) -> Row:
    """The mean over models that differ in the order only."""
    runs = [hits_of(model, pool) for model in models]
    hits = {task: np.mean([run[task] for run in runs], axis=0) for task in pool.task_names}
    means = tuple(float(np.mean([run[task].mean() for task in pool.task_names])) for run in runs)
    return Row(name, hits, means, dict(options))


def individual(models: CLIPVisionModelPool, pool: CLIPVisionModelTaskPool) -> Row:
    """Each fine-tuned model on its own task."""
    hits = {task: pool.predict(models.load_model(task), task).correct.double().numpy() for task in NAMES}
    return Row("individual", hits, (float(np.mean([values.mean() for values in hits.values()])),))


def best_options(
    make: Callable[..., Any], grid: list[dict[str, float]], models: CLIPVisionModelPool, pool: CLIPVisionModelTaskPool
) -> dict[str, float]:
    """The options with the highest mean accuracy on ``pool``; the first of equals."""
    reports = pool.evaluate_many({str(number): make(**options).run(models) for number, options in enumerate(grid)})
    means = [report.average.accuracy if report.average else 0.0 for report in reports.values()]
    return grid[means.index(max(means))]


def all_rows() -> list[Row]:
    """Every method on the test images; scaling factors are chosen on the validation images."""
    models, test, validation = model_pool(), task_pool("test"), task_pool("validation")
    factors = [{"scaling_factor": factor} for factor in SCALING_FACTORS]
    ties = [{**factor, "threshold": threshold} for threshold in TIES_THRESHOLDS for factor in factors]
    continual = {"shuffle_order": True, "save_on_every_step": False, "evaluate_on_every_step": False}
    plans: list[tuple[str, Callable[..., Any], list[dict[str, float]], int]] = [
        ("simple average", SimpleAverage, [{}], 1),
        ("task arithmetic", TaskArithmetic, factors, 1),
        ("TIES", TiesMerging, ties, 1),
        ("continual weight average", _continual(ContinualWeightAverage, continual), [{}], ORDERS),
        ("continual task arithmetic", _continual(ContinualTaskArithmetic, continual), factors, ORDERS),
        ("continual TIES", _continual(ContinualTiesMerging, continual), ties, ORDERS),
        (
            "OPCM",
            _continual(OPCM, continual),
            [{"alpha": alpha} for alpha in (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)],
            ORDERS,
        ),
    ]
    rows = [row_of("pretrained", [models.load_pretrained_model()], test, {})]
    for name, make, grid, orders in plans:
        options = best_options(make, grid, models, validation) if len(grid) > 1 else grid[0]
        seeds: list[dict[str, Any]] = [{"seed": seed} for seed in range(orders)] if orders > 1 else [{}]
        rows.append(row_of(name, [make(**options, **seed).run(models) for seed in seeds], test, options))
    return [*rows, individual(models, test)]


def _continual(method: Callable[..., Any], options: Mapping[str, Any]) -> Callable[..., Any]:
    """Continual methods are tuned on an order of their own, seed 1000."""

    def make(*, seed: int = 1000, **chosen: float) -> Any:
        return method(**options, **chosen, seed=seed)

    return make
