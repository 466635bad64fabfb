"""How long the task vectors of a pool are, which angles lie between them, and the singular values of their layers.

Ilharco et al., "Editing Models with Task Arithmetic", ICLR 2023, arXiv 2212.04089, show the angles; Tang et al.,
"Merging Models on the Fly Without Retraining", 2025, arXiv 2501.09522, build on the singular values.
"""

from __future__ import annotations

import fnmatch
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from fusion_bench.functional.landscape import difference_products
from fusion_bench.functional.params import Params, task_vector
from fusion_bench.method.arrival import load_base, load_shared
from fusion_bench.method.base_algorithm import BaseAlgorithm
from fusion_bench.method.state import Base
from fusion_bench.modelpool.base_pool import PRETRAINED, BaseModelPool, as_modelpool
from fusion_bench.reporting.task_vectors import TaskVectorStatistics
from fusion_bench.runtime import RunStart, Runtime
from fusion_bench.utils.lapack import LAPACK

if TYPE_CHECKING:
    from matplotlib.figure import Figure

log = logging.getLogger(__name__)


@dataclass(kw_only=True)
class TaskVectorAnalysis(BaseAlgorithm):
    """Norms, angles and singular values of the task vectors of a pool, as arrays and as pictures.

    Args:
        models: names of models; null is all of the pool.
        layers: patterns, as of file names, of the weights of linear layers whose singular values are computed; null is
            all of them.
        drawn: how many of these layers the picture of singular values shows, spread evenly from the first to the last.
    """

    models: Sequence[str] | None = None
    layers: Sequence[str] | None = None
    drawn: int = 4

    def __post_init__(self) -> None:
        if self.drawn < 1:
            raise ValueError(f"drawn must be at least 1, got {self.drawn}")

    def loaded_names(self, modelpool: BaseModelPool) -> list[str]:
        """The pretrained model and those whose task vectors are measured."""
        return modelpool.select(self._names(modelpool)).all_model_names

    def run(
        self, modelpool: BaseModelPool | Mapping[str, Any] | Sequence[Any], runtime: Runtime | None = None
    ) -> nn.Module:
        """The pretrained model; writes the numbers and the pictures to the log directory.

        Raises:
            ValueError: as :meth:`measure`.
        """
        runtime = runtime or Runtime()
        pool = as_modelpool(modelpool)
        with self.running():
            try:
                found = self.measure(pool, runtime)
            finally:
                runtime.notify("on_run_end")
            if runtime.log_dir is not None:
                from fusion_bench.reporting.plots.files import save_figure

                found.save(runtime.log_dir)
                for name, figure in self.figures(found).items():
                    written = save_figure(figure, runtime.log_dir / name)
                    log.info("wrote %s", written[0])
            return pool.load_pretrained_model()

    def measure(
        self, modelpool: BaseModelPool | Mapping[str, Any] | Sequence[Any], runtime: Runtime
    ) -> TaskVectorStatistics:
        """The numbers; writes nothing.

        Args:
            modelpool: has the pretrained model and the others.
            runtime: computes them.

        Raises:
            KeyError: if the pool has no model of one of the names.
            ValueError: if the pool has no pretrained model or no other, its models do not fit, or no weight of a
                linear layer fits the patterns.
        """
        pool = as_modelpool(modelpool)
        names = self._names(pool)
        with runtime.profile("checking models"):
            pool.check(names, needs_pretrained=True)
        with runtime.executor:
            with runtime.profile("loading"):
                base = load_base(pool, names, runtime)
                models = {name: load_shared(pool, name, runtime) for name in names}
            layers = self._layers(base)
            runtime.notify("on_run_start", RunStart(order=tuple(names), log_dir=runtime.log_dir))
            with runtime.profile("angles"):
                products = difference_products(base.params, list(models.values()), base.mergeable)
            with runtime.profile("singular values"):
                spectra = runtime.executor.map(
                    partial(layer_spectra, models, base.params), layers, partial(runtime.notify, "on_progress")
                )
        return TaskVectorStatistics(
            norms=dict(zip(names, products.diagonal().clamp(min=0).sqrt().tolist(), strict=True)),
            cosines=cosines(products),
            singular_values=spectra,
        )

    def figures(self, found: TaskVectorStatistics) -> dict[str, Figure]:
        """The pictures by the names of their files."""
        from fusion_bench.reporting.plots.trace import task_vector_norms
        from fusion_bench.reporting.plots.vectors import cosine_similarity, singular_value_spectra

        names, layers = list(found.norms), list(found.singular_values)
        count = min(self.drawn, len(layers))
        places = [round(place * (len(layers) - 1) / max(count - 1, 1)) for place in range(count)]
        shown = {layers[place]: found.singular_values[layers[place]] for place in places}
        spectra = {layer: {name: values.tolist() for name, values in by.items()} for layer, by in shown.items()}
        return {
            "task_vector_norms": task_vector_norms(names, list(found.norms.values())),
            "cosine_similarity": cosine_similarity(names, found.cosines),
            "singular_values": singular_value_spectra(spectra),
        }

    def _names(self, modelpool: BaseModelPool) -> list[str]:
        """The models that are measured.

        Raises:
            ValueError: if there are none.
        """
        names = list(modelpool.model_names if self.models is None else dict.fromkeys(self.models))
        if not names:
            raise ValueError(f"this analysis takes models; the pool has {modelpool.all_model_names}")
        for name in names:
            if modelpool.is_special_model(name):
                raise ValueError(f"{name!r} has no task vector; the pool has {modelpool.model_names}")
            modelpool.get_model_config(name)
        return names

    def _layers(self, base: Base) -> list[str]:
        """The weights whose singular values are computed.

        Raises:
            ValueError: if no weight fits a pattern.
        """
        weights = [name for name in base.mergeable if name in base.linear_weights]
        patterns = ["*"] if self.layers is None else list(self.layers)
        for pattern in patterns:
            if not fnmatch.filter(weights, pattern):
                raise ValueError(
                    f"no weight of a linear layer fits the pattern {pattern!r}; the {PRETRAINED} model has {weights}"
                )
        return [name for name in weights if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)]


def layer_spectra(models: Mapping[str, Params], base: Params, name: str) -> dict[str, Tensor]:
    """The singular values of one weight's task vector, by model."""
    return {model: singular_values(task_vector(params, base, name)) for model, params in models.items()}


def singular_values(matrix: Tensor) -> Tensor:
    """The singular values of a matrix, largest first, float64 on the CPU, ``(min(rows, columns),)``.

    They are roots of eigenvalues of the Gram matrix in float64: those below 1e-8 of the largest are rounding noise,
    as they are in float32 weights.
    """
    rows = matrix.T if matrix.shape[0] > matrix.shape[1] else matrix
    return LAPACK.solve(LAPACK.gram(rows, torch.float64), True).values.clamp(min=0).sqrt().cpu()


def cosines(products: Tensor) -> list[list[float | None]]:
    """The cosines of the angles between vectors; None where one of them is zero.

    Args:
        products: their inner products, ``(vectors, vectors)``.
    """
    norms = products.diagonal().clamp(min=0).sqrt()
    scale = torch.outer(norms, norms)
    values = (products / scale).clamp(-1, 1).tolist()
    return [
        [value if known else None for value, known in zip(row, is_known, strict=True)]
        for row, is_known in zip(values, (scale > 0).tolist(), strict=True)
    ]
