"""The shape of methods that match the units of models before they are merged."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fusion_bench.functional.linear import normalise
from fusion_bench.method.base_algorithm import BaseAlgorithm
from fusion_bench.method.mudsc.alignment_run import AlignmentRun
from fusion_bench.method.mudsc.balance import Balance
from fusion_bench.method.mudsc.engine import Engine
from fusion_bench.method.weighted_average import weights_in_order
from fusion_bench.modelpool.base_pool import BaseModelPool, as_modelpool
from fusion_bench.models.checks import DifferentShapeError
from fusion_bench.models.partial_spec import cut
from fusion_bench.models.permutation_registry import spec_for
from fusion_bench.models.precision import computable_, dtypes_of
from fusion_bench.runtime import RunStart, Runtime

if TYPE_CHECKING:
    from torch import nn

log = logging.getLogger(__name__)

STATISTICS = ("auto", "batch_norm", "repair", "none")


@dataclass(kw_only=True)
class AlignedAlgorithm(BaseAlgorithm):
    """Merges models that need not share an initialisation; the pretrained model, if there is one, takes no part.

    Args:
        weights: one number a model, a list in the order of the pool or a mapping by name; null is the same for all.
        spec: a permutation spec of your own: a YAML file, or what it would hold; null goes by the class of the models.
        residual: whether residual streams are matched too; null does so, except for CLIP vision towers.
        images: how many training images, of all models together, the activations are compared on; null is all.
        batch_size: images a batch.
        statistics: what is done after merging: ``batch_norm`` estimates running statistics anew, ``repair`` gives units
            the mean and deviation of those they were made from, ``auto`` the first if there is any, else the second,
            as far as there is training data, ``none`` nothing.
        statistics_images: how many training images that takes; null is all.
        input_statistics: whether the running statistics of the models' batch normalisations are estimated anew, on the
            training data of all of them, before units are compared; null does so with ``faithful``, as far as there is
            training data.
        seed: of the order in which groups are visited, and of which images are taken.
        separate: names or patterns of tensors that are not merged, such as ``classifier.*`` for a head, which may then
            have another number of classes in each model; the result is then a :class:`TaskModels` with one network a
            model, which share the rest.
        faithful: do as the published code does, errors included, in place of what is right.
    """

    weights: Sequence[float] | Mapping[str, float] | None = None
    spec: str | Mapping[str, Any] | None = None
    residual: bool | None = None
    images: int | None = 1000
    batch_size: int = 100
    statistics: str = "auto"
    statistics_images: int | None = None
    input_statistics: bool | None = None
    seed: int = 0
    separate: Sequence[str] = field(default_factory=list)
    faithful: bool = False

    def __post_init__(self) -> None:
        if self.statistics not in STATISTICS:
            raise ValueError(f"statistics must be one of {', '.join(STATISTICS)}; got {self.statistics!r}")
        for key in ("images", "batch_size", "statistics_images"):
            value = getattr(self, key)
            if value is not None and value < 1:
                raise ValueError(f"{key} must be at least 1, got {value}")
        if self.input_statistics not in (None, True, False):
            raise ValueError(f"input_statistics must be true, false or null, got {self.input_statistics!r}")
        self.engine()
        self.balance()

    @property
    def corrects_inputs(self) -> bool:
        """Whether the statistics of the models are estimated anew before they are compared."""
        return self.faithful if self.input_statistics is None else self.input_statistics

    @abstractmethod
    def engine(self) -> Engine:
        """How units are matched; raises a ValueError for options out of range."""

    def balance(self) -> Balance | None:
        """How the weight of the weight space is chosen; None where :meth:`engine` says it.

        Raises:
            ValueError: for options out of range.
        """
        return None

    def loaded_names(self, modelpool: BaseModelPool) -> list[str]:
        """The models to merge, and the one whose architecture the result has."""
        return list(dict.fromkeys([modelpool.pretrained_or_first_name, *modelpool.model_names]))

    def trained_names(self, modelpool: BaseModelPool) -> list[str]:
        """All models to merge, where data is needed and the pool has data of them all."""
        names = modelpool.model_names
        reads = len(names) > 1 and (
            self.engine().compares_activations
            or self.balance() is not None
            or self.statistics != "none"
            or self.corrects_inputs
        )
        return names if reads and modelpool.has_train_datasets(names) else []

    def run(
        self, modelpool: BaseModelPool | Mapping[str, Any] | Sequence[Any], runtime: Runtime | None = None
    ) -> nn.Module:
        """Match and merge the models of the pool into a new one; the pool is not changed.

        Raises:
            ValueError: if the pool is empty, its models do not fit together, no permutation spec fits them, or there is
                no training data where activations are compared.
        """
        runtime = runtime or Runtime()
        with self.running():
            try:
                return self._run(as_modelpool(modelpool), runtime)
            finally:
                runtime.notify("on_run_end")

    def moved_models(self, modelpool: BaseModelPool, runtime: Runtime | None = None) -> dict[str, nn.Module]:
        """The models by name with their units in the order of the first one's: they compute what they did before.

        Raises:
            ValueError: as :meth:`run`, and if units are zipped, for which there is no order.
        """
        runtime = runtime or Runtime()
        if self.engine().matcher == "zip":
            raise ValueError("only units that are matched one to one have an order; set matcher=align")
        run = self._prepare(as_modelpool(modelpool), runtime)
        with runtime.profile("matching"):
            return run.moved(self.engine())

    def _run(self, pool: BaseModelPool, runtime: Runtime) -> nn.Module:
        run = self._prepare(pool, runtime)
        runtime.notify("on_run_start", RunStart(order=tuple(run.names), log_dir=runtime.log_dir))
        balance = self.balance()
        return run.model(self.engine()) if balance is None or len(run.names) < 2 else run.best(balance)

    def _check(self, pool: BaseModelPool, names: list[str], models: list[nn.Module]) -> None:
        first = type(models[0])
        for name, model in zip(names, models, strict=True):
            if type(model) is not first:
                raise ValueError(
                    f"model {name!r} is a {type(model).__name__}, {names[0]!r} a {first.__name__}: units can be "
                    "matched between models of one architecture only"
                )
        try:
            pool.check(names, apart=self.separate)
        except DifferentShapeError as error:
            raise ValueError(
                f"{error}; only models of the same widths can be merged, but heads for other classes may stay apart: "
                "name their tensors in separate, for example separate=['classifier.*']"
            ) from error

    def _prepare(self, pool: BaseModelPool, runtime: Runtime) -> AlignmentRun:
        """The models of the pool, checked and loaded, with their spec."""
        names = pool.model_names
        if not names:
            raise ValueError(f"the model pool has no models to merge; it has {pool.all_model_names}")
        weights = normalise(weights_in_order(self.weights or [1.0] * len(names), names))
        if min(weights) <= 0:
            raise ValueError(f"weights must be positive, got {self.weights}")
        with runtime.profile("loading"):
            models = [pool.load_model(name).to(runtime.device).eval() for name in names]
        with runtime.profile("checking models"):
            self._check(pool, names, models)
        if len(names) == 1:
            log.info("the pool has one model, %r, which is the result as it is", names[0])
        dtypes = dtypes_of(models[0])
        models = [computable_(model) for model in models]
        spec = spec_for(models[0], self.spec, residual=self.residual)
        spec, separate = cut(spec, models[0].state_dict(), self.separate)
        run = AlignmentRun(self, pool, names, models, dtypes, spec, weights, separate, runtime)
        if self.corrects_inputs:
            with runtime.profile("statistics"):
                run.correct_inputs_()
        return run
