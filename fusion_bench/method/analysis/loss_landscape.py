"""The loss on the plane through two models and a merged one, as arrays and as a picture.

Garipov et al., "Loss Surfaces, Mode Connectivity, and Fast Ensembling of DNNs", NeurIPS 2018, arXiv 1802.10026.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from fusion_bench.functional.landscape import barycentric, combine, grid_axes, place_in_plane, plane_positions
from fusion_bench.functional.params import Params, is_mergeable
from fusion_bench.method.analysis.pair import Judge, built, pair_names, pair_of, quiet, trained_by
from fusion_bench.method.base_algorithm import BaseAlgorithm
from fusion_bench.modelpool.base_pool import PRETRAINED, BaseModelPool, as_modelpool
from fusion_bench.modelpool.input_batches import fit_for
from fusion_bench.models.batch_norm import batch_norms, reestimate_
from fusion_bench.models.precision import is_half
from fusion_bench.report import EvalReport
from fusion_bench.reporting.landscape import Landscape, Surface
from fusion_bench.runtime import Runtime
from fusion_bench.utils.rng import generator_for

log = logging.getLogger(__name__)

MERGED = "merged"
_SIMPLE_AVERAGE = "fusion_bench.method.simple_average.SimpleAverage"


@dataclass(kw_only=True)
class LossLandscape(BaseAlgorithm):
    """The loss of each task, and of their union, on the plane through two models and a merged one.

    A merged model on the straight line between the two leaves the plane open; it is then that through the pretrained
    model.

    Args:
        models: the names of the two; null is the first two of the pool.
        merging: the method that merges them, as a configuration or a live one.
        tasks: names of tasks of the task pool; null is those named like the models, or all if none is.
        resolution: points along the longer side of the lattice.
        margin: space around the models, as a share of the longer side.
        statistics_images: training images on which running statistics of batch normalisations, if there are any, are
            estimated anew at each point; null is all, 0 interpolates the statistics like weights.
        batch_size: images a batch, for these.
        seed: of which images are taken.
    """

    models: Sequence[str] | None = None
    merging: Any = field(default_factory=lambda: {"_target_": _SIMPLE_AVERAGE})
    tasks: Sequence[str] | None = None
    resolution: int = 15
    margin: float = 0.25
    statistics_images: int | None = 1000
    batch_size: int = 100
    seed: int = 0

    def __post_init__(self) -> None:
        if self.resolution < 2:
            raise ValueError(f"resolution must be at least 2, got {self.resolution}")
        if self.margin < 0:
            raise ValueError(f"margin must be 0 or more, got {self.margin}")
        if self.batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {self.batch_size}")
        if self.statistics_images is not None and self.statistics_images < 0:
            raise ValueError(f"statistics_images must be 0 or more, got {self.statistics_images}")

    def loaded_names(self, modelpool: BaseModelPool) -> list[str]:
        """The two models, and the pretrained one if there is one."""
        return pair_of(self.models, modelpool).all_model_names

    def trained_names(self, modelpool: BaseModelPool) -> list[str]:
        """Those of which ``merging`` reads training data, and those on which statistics are estimated anew."""
        pair = pair_of(self.models, modelpool)
        return list(dict.fromkeys([*trained_by(self.merging, pair), *self._estimated_on(pair)]))

    def _estimated_on(self, pair: BaseModelPool) -> list[str]:
        """The models whose training data batch normalisations are estimated on, if the models may have any."""
        names = pair.model_names
        used = self.statistics_images != 0 and pair.may_have_batch_norms and pair.has_train_datasets(names)
        return names if used else []

    def run(
        self, modelpool: BaseModelPool | Mapping[str, Any] | Sequence[Any], runtime: Runtime | None = None
    ) -> nn.Module:
        """The merged model; writes ``loss_landscape.png``, ``.safetensors`` and ``.json`` to the log directory.

        Raises:
            ValueError: as :meth:`measure`.
        """
        runtime = runtime or Runtime()
        with self.running():
            merged, landscape = self.measure(modelpool, runtime)
            if runtime.log_dir is not None:
                from fusion_bench.reporting.landscape_plot import plot_landscape

                landscape.save(runtime.log_dir)
                plot_landscape(landscape, runtime.log_dir / "loss_landscape.png")
                log.info("wrote %s", runtime.log_dir / "loss_landscape.png")
            return merged

    def measure(
        self, modelpool: BaseModelPool | Mapping[str, Any] | Sequence[Any], runtime: Runtime
    ) -> tuple[nn.Module, Landscape]:
        """The merged model and the landscape; writes nothing.

        Args:
            modelpool: has the two models.
            runtime: has the scorer.

        Raises:
            ValueError: if the pool has no two models, nothing scores them, the merged model has other tensors, or the
                plane is not determined.
        """
        pool = as_modelpool(modelpool)
        names = pair_names(self.models, pool)
        judge = Judge.of(runtime, names, self.tasks)
        pool = pool.select(names)
        merging = built(self.merging)
        if not isinstance(merging, BaseAlgorithm):
            raise TypeError(f"merging must be a method, got a {type(merging).__name__}")
        merged = merging.run(pool, quiet(runtime))
        with runtime.profile("loss landscape"):
            networks = _networks(pool, names, merged)
            counted = [name for name, parameter in merged.named_parameters() if is_mergeable(parameter)]
            walk = _Walk(
                self, pool, self._estimated_on(pool), _corners(networks, counted), _in_full_precision(merged), judge
            )
            return merged, walk.landscape(networks, counted)


def _networks(pool: BaseModelPool, names: Sequence[str], merged: nn.Module) -> dict[str, Params]:
    """The tensors of the two models, the merged one and the pretrained one, if there is one."""
    networks: dict[str, Params] = {name: pool.load_model(name).state_dict() for name in names}
    networks[MERGED] = {name: tensor.detach().cpu() for name, tensor in merged.state_dict().items()}
    if pool.has_pretrained:
        networks[PRETRAINED.strip("_")] = pool.load_pretrained_model().state_dict()
    if list(networks[MERGED]) != list(networks[names[0]]):
        raise ValueError(
            "the merged model has other tensors than the models: only a merged model of their architecture lies in a "
            "plane with them; leave nothing separate"
        )
    return networks


def _in_full_precision(model: nn.Module) -> nn.Module:
    """A copy of a model in float32 at least, in which steps between networks are not lost to rounding."""
    copied = copy.deepcopy(model)
    return copied.float() if is_half(model) else copied


def _corners(networks: Mapping[str, Params], counted: Sequence[str]) -> list[Params]:
    """The three networks that span the plane, by the tensors that count: the two models and the next that will do."""
    first, second, *others = networks
    for third in others:
        chosen = [networks[name] for name in (first, second, third)]
        try:
            plane_positions(chosen, counted)
        except ValueError as error:
            reason = error
        else:
            return chosen
    raise ValueError(
        f"the plane through {first!r}, {second!r} and the merged model is not determined: {reason}. Choose another "
        "method.merging, or give the pool a _pretrained_ model"
    ) from reason


@dataclass(frozen=True)
class _Walk:
    """Scores networks of a plane one after the other."""

    method: LossLandscape
    pool: BaseModelPool
    estimated_on: Sequence[str]
    corners: Sequence[Params]
    model: nn.Module
    judge: Judge

    def landscape(self, networks: Mapping[str, Params], counted: Sequence[str]) -> Landscape:
        """The scores on a lattice, and at those of the networks that lie in the plane."""
        positions = plane_positions(self.corners, counted)
        found = {name: place_in_plane(self.corners, positions, params, counted) for name, params in networks.items()}
        points = {name: place for name, place in found.items() if place is not None}
        size, margin = self.method.resolution, self.method.margin
        x, y = grid_axes(torch.stack(list(points.values())), resolution=size, margin=margin)
        reports = []
        for height in y:
            row = torch.stack([x, height.expand_as(x)], dim=1)
            reports += [self._score(shares) for shares in barycentric(positions, row).tolist()]
            log.info("loss landscape: %d of %d points", len(reports), len(x) * len(y))
        return Landscape(
            points={name: (float(place[0]), float(place[1])) for name, place in points.items()},
            at={name: self._score(barycentric(positions, place[None])[0].tolist()) for name, place in points.items()},
            x=x,
            y=y,
            surface=Surface.from_reports(reports, (len(y), len(x))),
        )

    def _score(self, shares: Sequence[float]) -> EvalReport:
        """The scores of the network that the corners make with these shares."""
        self.model.load_state_dict({name: combine(self.corners, shares, name) for name in self.corners[0]})
        if self.estimated_on and batch_norms(self.model):
            reestimate_(self.model, self._batches())
        return self.judge(self.model)

    def _batches(self) -> Iterator[Tensor]:
        generator = generator_for(self.method.seed, "statistics")
        size, limit = self.method.batch_size, self.method.statistics_images
        batches = self.pool.input_batches(self.estimated_on, batch_size=size, limit=limit, generator=generator)
        return fit_for(self.model, batches)
