"""The balance of weights and activations, chosen by how well the merged models do on data.

Xu et al., "Training-Free Pretrained Model Merging" (MuDSC), CVPR 2024, arXiv 2403.01753, choose it on labelled training
data; here the data are the user's, and may have no labels.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity

from fusion_bench.models.task_models import TaskModels
from fusion_bench.utils.configurable import build
from fusion_bench.utils.files import write_json

log = logging.getLogger(__name__)

AUTO = "auto"
CURVE_FILE = "alpha_curve.json"
GRID = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0)


@dataclass(frozen=True)
class Balance:
    """Which balances are tried, and on what.

    Args:
        grid: weights of the weight space, each in [0, 1].
        data: ``train``, the training data of the model pool without labels; else a task pool, as an object with
            ``evaluate(model)`` or its ``_target_`` config.
    """

    grid: tuple[float, ...]
    data: Any

    def score(self) -> Callable[[nn.Module], float] | None:
        """How well a model does on labelled data: its joint accuracy, else the mean of its tasks; None without labels.

        Raises:
            TypeError: if ``data`` builds nothing that evaluates a model.
        """
        if self.data == "train":
            return None
        pool = build(self.data) if isinstance(self.data, Mapping) else self.data
        if not callable(getattr(pool, "evaluate", None)):
            raise TypeError(f"alpha_data must be 'train' or a task pool, got a {type(pool).__name__}")
        return lambda model: accuracy_in(pool.evaluate(model))


def balance_of(alpha: float | str, grid: Sequence[float], data: Any) -> Balance | None:
    """The choice to make; None where the balance is a number.

    Raises:
        ValueError: if ``alpha`` is another word, the grid is empty or leaves [0, 1], or there is no data to choose on.
    """
    if not isinstance(alpha, str):
        return None
    if alpha != AUTO:
        raise ValueError(f"alpha must be in [0, 1] or {AUTO!r}, got {alpha!r}")
    if not grid or not all(0 <= value <= 1 for value in grid):
        raise ValueError(f"alphas must list numbers in [0, 1], got {list(grid)}")
    if data is None:
        raise ValueError(
            "alpha=auto needs alpha_data, on which the balance is chosen: 'train', the training data of the model pool "
            "without labels, or a task pool with labelled data that is not the test data"
        )
    if isinstance(data, str) and data != "train":
        raise ValueError(f"alpha_data must be 'train' or a task pool, got {data!r}")
    return Balance(tuple(float(value) for value in grid), data)


def start_of(alpha: float | str) -> float:
    """The number that stands in for ``auto`` until one is chosen."""
    return 0.5 if isinstance(alpha, str) else alpha


def accuracy_in(report: Mapping[str, Any]) -> float:
    """The joint accuracy of a report, else the mean over its tasks.

    Raises:
        ValueError: if it has neither.
    """
    for entry in ("joint", "average"):
        if entry in report:
            return float(report[entry]["accuracy"])
    raise ValueError("the task pool of alpha_data scored no task, so no balance is better than another")


def agreement(
    merged: nn.Module, names: Sequence[str], models: Sequence[nn.Module], batches: Callable[[str], Iterable[Tensor]]
) -> float:
    """How near the outputs of a merged model are to those of each model on its own data, in [-1, 1].

    The mean over the models of the mean cosine between the two outputs.

    Args:
        merged: the merged model; a :class:`TaskModels` answers with the network of each model.
        names: of the models.
        models: the models, in the same order.
        batches: gives inputs of the data of a model by its name.

    Raises:
        ValueError: if there is no data of a model.
    """
    means = []
    modes = [(module, module.training) for module in merged.modules()]
    merged.eval()
    with torch.no_grad():
        for name, model in zip(names, models, strict=True):
            network = merged.for_task(name) if isinstance(merged, TaskModels) else merged
            pairs = ((network(batch), model(batch)) for batch in batches(name))
            cosines = [cosine_similarity(_rows(ours), _rows(theirs), dim=1) for ours, theirs in pairs]
            if not cosines:
                raise ValueError(f"there is no training data of {name!r} to compare outputs on")
            means.append(float(torch.cat(cosines).mean()))
    for module, mode in modes:
        module.training = mode
    return sum(means) / len(means)


def best_of(scores: Mapping[float, float]) -> float | None:
    """The balance with the largest score, the first of equals; None if no score is a number."""
    known = [alpha for alpha, score in scores.items() if not math.isnan(score)]
    return max(known, key=lambda alpha: scores[alpha], default=None)


def report_curve(scores: Mapping[float, float], *, labelled: bool, log_dir: Path | None) -> float:
    """The best balance; the whole curve goes to the log and to ``log_dir``.

    Raises:
        ValueError: if no score is a number.
    """
    best = best_of(scores)
    if best is None:
        raise ValueError("no merged model has a score that is a number, so no balance can be chosen")
    kind = "accuracy" if labelled else "agreement with the models"
    lines = [f"{alpha:g}: {score:.4f}" + (" <" if alpha == best else "") for alpha, score in scores.items()]
    log.info("alpha=auto chooses %g by %s\n%s", best, kind, "\n".join(lines))
    if log_dir is not None:
        curve = [{"alpha": alpha, "score": None if math.isnan(score) else score} for alpha, score in scores.items()]
        write_json(log_dir / CURVE_FILE, {"alpha": best, "criterion": kind, "curve": curve})
    return best


def _rows(outputs: Any) -> Tensor:
    """Outputs ``(images, numbers)``: a tensor, or what a network of transformers says first."""
    values = outputs if isinstance(outputs, Tensor) else outputs[0]
    rows: Tensor = values.float().flatten(1)
    return rows
