"""The loss on the straight line between two models, before and after their units are aligned.

Frankle et al., "Linear Mode Connectivity and the Lottery Ticket Hypothesis", ICML 2020, arXiv 1912.05671; Ainsworth et
al., "Git Re-Basin", ICLR 2023, arXiv 2209.04836.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import partial
from typing import Any

import torch
from torch import nn

from fusion_bench.functional.landscape import combine
from fusion_bench.functional.params import Params
from fusion_bench.method.aligned import AlignedAlgorithm
from fusion_bench.method.analysis.pair import Judge, built, pair_names, pair_of, quiet, trained_by
from fusion_bench.method.base_algorithm import BaseAlgorithm
from fusion_bench.method.mudsc.average import PlainAverage
from fusion_bench.modelpool.base_pool import PRETRAINED, BaseModelPool, as_modelpool
from fusion_bench.reporting.landscape import BarrierCurves, Surface
from fusion_bench.runtime import Runtime

log = logging.getLogger(__name__)

BEFORE, AFTER, CORRECTED = "before alignment", "after alignment", "after, statistics corrected"
_WEIGHT_ALIGN = "fusion_bench.method.mudsc.weight_align.WeightAlign"


@dataclass(kw_only=True)
class LossBarrier(BaseAlgorithm):
    """The loss of each task, and of their union, on the straight line between two models before and after alignment.

    Args:
        models: the names of the two; null is the first two of the pool.
        alignment: the method that matches their units one to one, as a configuration or a live one.
        tasks: names of tasks of the task pool; null is those named like the models, or all if none is.
        points: how many points of the line, its ends included.
        corrected: draw a third curve, with the statistics corrected at each point as ``alignment`` says.
        statistics_images: training images that this takes at each point; null is all.
    """

    models: Sequence[str] | None = None
    alignment: Any = field(default_factory=lambda: {"_target_": _WEIGHT_ALIGN})
    tasks: Sequence[str] | None = None
    points: int = 11
    corrected: bool = True
    statistics_images: int | None = 500

    def __post_init__(self) -> None:
        if self.points < 3:
            raise ValueError(f"points must be at least 3, got {self.points}")
        if self.statistics_images is not None and self.statistics_images < 1:
            raise ValueError(f"statistics_images must be at least 1, got {self.statistics_images}")

    def loaded_names(self, modelpool: BaseModelPool) -> list[str]:
        """The two models, and the one whose architecture the result has."""
        return pair_of(self.models, modelpool).all_model_names

    def trained_names(self, modelpool: BaseModelPool) -> list[str]:
        """Those of which ``alignment`` reads training data."""
        alignment = built(self.alignment)
        if isinstance(alignment, AlignedAlgorithm) and not self.corrected:
            alignment = replace(alignment, statistics="none")  # of which nothing is seen then
        return trained_by(alignment, pair_of(self.models, modelpool))

    def run(
        self, modelpool: BaseModelPool | Mapping[str, Any] | Sequence[Any], runtime: Runtime | None = None
    ) -> nn.Module:
        """The model halfway on the last line; writes ``loss_barrier.png`` and ``.json`` to the log directory.

        Raises:
            ValueError: as :meth:`measure`.
        """
        runtime = runtime or Runtime()
        with self.running():
            halfway, curves = self.measure(modelpool, runtime)
            for name, heights in curves.heights().items():
                log.info("barrier %s: %s", name, ", ".join(f"{task} {height:.3f}" for task, height in heights.items()))
            if runtime.log_dir is not None:
                from fusion_bench.reporting.landscape_plot import plot_barrier

                curves.save(runtime.log_dir)
                plot_barrier(curves, runtime.log_dir / "loss_barrier.png")
                log.info("wrote %s", runtime.log_dir / "loss_barrier.png")
            return halfway

    def measure(
        self, modelpool: BaseModelPool | Mapping[str, Any] | Sequence[Any], runtime: Runtime
    ) -> tuple[nn.Module, BarrierCurves]:
        """The model halfway on the last line, and the curves; writes nothing.

        Args:
            modelpool: has the two models.
            runtime: has the scorer.

        Raises:
            ValueError: if the pool has no two models, nothing scores them, or they cannot be aligned.
        """
        pool = as_modelpool(modelpool)
        names = pair_names(self.models, pool)
        judge = Judge.of(runtime, names, self.tasks)
        pool = pool.select(names)
        aside = quiet(runtime)
        alignment = built(self.alignment)
        if not isinstance(alignment, AlignedAlgorithm):
            raise TypeError(f"alignment must be a method that matches units, got a {type(alignment).__name__}")
        moved = alignment.moved_models(pool, aside)
        with runtime.profile("loss barrier"):
            ends = {BEFORE: [pool.load_params(name) for name in names]}
            ends[AFTER] = [moved[name].state_dict() for name in names]
            lines = {line: partial(_between, pool, _on_cpu(two), runtime.device) for line, two in ends.items()}
            if self.corrected:
                corrected = replace(alignment, statistics_images=self.statistics_images)
                lines[CORRECTED] = partial(_corrected, pool, corrected, moved, aside)
            t = torch.linspace(0, 1, self.points, dtype=torch.float64)
            curves = {name: self._curve(name, line, t, judge) for name, line in lines.items()}
            halfway = list(lines.values())[-1](0.5)
        return halfway, BarrierCurves(ends=(names[0], names[1]), t=t, curves=curves)

    def _curve(self, name: str, line: Any, t: torch.Tensor, judge: Judge) -> Surface:
        reports = []
        for place in t.tolist():
            reports.append(judge(line(place)))
            log.info("loss barrier, %s: %d of %d points", name, len(reports), len(t))
        return Surface.from_reports(reports, (len(t),))


def _between(pool: BaseModelPool, ends: Sequence[Params], device: torch.device, t: float) -> nn.Module:
    """The network at t on the straight line between two."""
    return pool.build_model({name: combine(ends, [1 - t, t], name) for name in ends[0]}).to(device)


def _on_cpu(ends: Sequence[Params]) -> list[Params]:
    return [{name: tensor.detach().cpu() for name, tensor in params.items()} for params in ends]


def _corrected(
    pool: BaseModelPool, alignment: AlignedAlgorithm, moved: Mapping[str, nn.Module], runtime: Runtime, t: float
) -> nn.Module:
    """The same between aligned models, with statistics corrected as the alignment says; the ends are left alone."""
    names = list(moved)
    if t in (0.0, 1.0):
        return moved[names[round(t)]]
    base = {PRETRAINED: pool.get_model_config(PRETRAINED)} if pool.has_pretrained else {}
    options = {one.name: getattr(alignment, one.name) for one in fields(AlignedAlgorithm)}
    average = PlainAverage(**{**options, "weights": [1 - t, t], "separate": [], "faithful": False})
    return average.run(pool.with_models({**base, **moved}), runtime)
