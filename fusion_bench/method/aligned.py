"""The shape of methods that match the units of models before they are merged."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from fusion_bench.functional.linear import normalise
from fusion_bench.functional.permutation import Matching
from fusion_bench.method.base_algorithm import BaseAlgorithm
from fusion_bench.method.mudsc.engine import Engine
from fusion_bench.method.tensor_map import TensorMap
from fusion_bench.method.weighted_average import weights_in_order
from fusion_bench.modelpool.base_pool import BaseModelPool, as_modelpool
from fusion_bench.models.batch_norm import batch_norms, reestimate_
from fusion_bench.models.partial_spec import cut
from fusion_bench.models.permutation_registry import spec_for
from fusion_bench.models.permutation_spec import PermutationSpec
from fusion_bench.models.repair import repair_
from fusion_bench.models.task_models import TaskModels
from fusion_bench.runtime import RunStart, Runtime
from fusion_bench.utils.rng import generator_for

if TYPE_CHECKING:
    from fusion_bench.functional.params import Params

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
        input_statistics: estimate the running statistics of the models' batch normalisations anew, on the training data
            of all of them, before units are compared.
        seed: of the order in which groups are visited, and of which images are taken.
        separate: names or patterns of tensors that are not merged, such as ``classifier.*`` for a head; the result is
            then a :class:`TaskModels` with one network a model, which share the rest.
        faithful: do as the published code does, errors included, in place of what is right.
    """

    weights: Sequence[float] | Mapping[str, float] | None = None
    spec: str | Mapping[str, Any] | None = None
    residual: bool | None = None
    images: int | None = 1000
    batch_size: int = 100
    statistics: str = "auto"
    statistics_images: int | None = None
    input_statistics: bool = False
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
        self.engine()

    @abstractmethod
    def engine(self) -> Engine:
        """How units are matched; raises a ValueError for options out of range."""

    def loaded_names(self, modelpool: BaseModelPool) -> list[str]:
        """The models to merge, and the one whose architecture the result has."""
        return list(dict.fromkeys([modelpool.pretrained_or_first_name, *modelpool.model_names]))

    def trained_names(self, modelpool: BaseModelPool) -> list[str]:
        """All models to merge, where data is needed and the pool has data of them all."""
        names = modelpool.model_names
        reads = len(names) > 1 and (
            self.engine().compares_activations or self.statistics != "none" or self.input_statistics
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
        run, _ = self._prepare(as_modelpool(modelpool), runtime)
        with runtime.profile("matching"):
            return run.moved(run.matchings(runtime.device))

    def _run(self, pool: BaseModelPool, runtime: Runtime) -> nn.Module:
        run, separate = self._prepare(pool, runtime)
        runtime.notify("on_run_start", RunStart(order=tuple(run.names), log_dir=runtime.log_dir))
        with runtime.profile("matching"):
            matchings = run.matchings(runtime.device)
        with runtime.executor, runtime.profile("merging"):
            parts = run.merged(matchings, separate, runtime)
        with runtime.profile("statistics"):
            for part in parts:
                run.correct_(part, matchings, runtime.device)
        return TaskModels(run.names, parts, separate) if separate else parts[0]

    def _prepare(self, pool: BaseModelPool, runtime: Runtime) -> tuple[_Run, list[str]]:
        """The models of the pool, checked and loaded, with their spec; and the names of separate tensors."""
        names = pool.model_names
        if not names:
            raise ValueError(f"the model pool has no models to merge; it has {pool.all_model_names}")
        weights = normalise(weights_in_order(self.weights or [1.0] * len(names), names))
        if min(weights) <= 0:
            raise ValueError(f"weights must be positive, got {self.weights}")
        with runtime.profile("checking models"):
            pool.check(names)
        with runtime.profile("loading"):
            models = [pool.load_model(name).to(runtime.device).eval() for name in names]
        spec = spec_for(models[0], self.spec, residual=self.residual)
        spec, separate = cut(spec, models[0].state_dict(), self.separate)
        run = _Run(self, pool, names, models, spec, weights)
        if self.input_statistics:
            with runtime.profile("statistics"):
                run.correct_inputs_(runtime.device)
        return run, separate


@dataclass(frozen=True)
class _Run:
    """One run: the method and what it works on."""

    method: AlignedAlgorithm
    pool: BaseModelPool
    names: list[str]
    models: list[nn.Module]
    spec: PermutationSpec
    weights: list[float]

    def matchings(self, device: torch.device) -> Mapping[str, Matching]:
        """The matchings of all groups."""
        engine = self.method.engine()
        activations = None
        if engine.compares_activations and len(self.models) > 1 and self.spec.groups:
            batches = self._batches("activations", self.method.images, device)
            if batches is None:
                raise ValueError(
                    f"alpha={engine.alpha:g} compares activations, which takes training data, and the model pool has "
                    f"none for {self.names}; give it train_datasets, or compare weights alone with alpha=1"
                )
            activations = engine.similarities(self.models, self.spec, batches)
        params: list[Params] = [model.state_dict() for model in self.models]
        found = engine.match(params, self.spec, activations)
        for group, value in found.values.items():
            log.debug("group %s: mean similarity %.4f", group, value)
        return found.matchings

    def merged(self, matchings: Mapping[str, Matching], separate: list[str], runtime: Runtime) -> list[nn.Module]:
        """The merged model; one for each model if tensors are kept separate, which are those of that model."""
        states = {name: model.state_dict() for name, model in zip(self.names, self.models, strict=True)}
        params: list[Params] = [runtime.executor.share(state, f"model {name!r}") for name, state in states.items()]
        engine, names = self.method.engine(), [name for name in params[0] if name not in separate]
        costs = {name: float(tensor.numel()) for name, tensor in states[self.names[0]].items()}
        map_tensors = TensorMap(runtime.executor, costs, tick=partial(runtime.notify, "on_progress"))
        shared = map_tensors(partial(engine.merge, params, self.spec, matchings, self.weights), names)
        parts = []
        for index in range(len(self.models) if separate else 1):
            own = map_tensors(partial(engine.carry, params, self.spec, matchings, index), separate)
            part = self.pool.load_pretrained_or_first_model().to(runtime.device)
            part.load_state_dict({**shared, **own})
            parts.append(part)
        return parts

    def moved(self, matchings: Mapping[str, Matching]) -> dict[str, nn.Module]:
        """Each model by name with its units in the order of their matchings."""
        engine, params = self.method.engine(), [model.state_dict() for model in self.models]
        for index, model in enumerate(self.models):
            carried = {name: engine.carry(params, self.spec, matchings, index, name) for name in params[index]}
            model.load_state_dict(carried)
        return dict(zip(self.names, self.models, strict=True))

    def correct_inputs_(self, device: torch.device) -> None:
        """Overwrite the running statistics of the models by those on the data of all of them."""
        for model in self.models:
            batches = self._batches("statistics", self.method.statistics_images, device)
            if batches is None:
                raise ValueError(
                    f"input_statistics takes training data, and the model pool has none for {self.names}; give it "
                    "train_datasets, or set input_statistics=false"
                )
            if batch_norms(model):
                reestimate_(model, batches)

    def correct_(self, merged: nn.Module, matchings: Mapping[str, Matching], device: torch.device) -> None:
        """Overwrite the statistics of the merged model as the options say."""
        kind = self.method.statistics
        if kind == "auto":
            kind = "batch_norm" if batch_norms(merged) else "repair"
        if kind == "none" or len(self.models) < 2:
            return
        batches = self._batches("statistics", self.method.statistics_images, device)
        if batches is None:
            if self.method.statistics != "auto":
                raise ValueError(
                    f"statistics={kind} takes training data, and the model pool has none for {self.names}; give it "
                    "train_datasets, or set statistics=none"
                )
            log.warning("no training data: the merged model keeps statistics that do not fit it")
        elif kind == "batch_norm":
            reestimate_(merged, batches)
        else:
            matched = matchings or self._identity()
            again = partial(self._given_batches, "statistics", self.method.statistics_images, device)
            repair_(merged.eval(), self.models, self.spec, matched, self.weights, again)

    def _identity(self) -> dict[str, Matching]:
        sizes = self.spec.sizes({name: tensor.shape for name, tensor in self.models[0].state_dict().items()})
        return {group: Matching.identity(len(self.models), units) for group, units in sizes.items()}

    def _batches(self, purpose: str, limit: int | None, device: torch.device) -> Iterator[Tensor] | None:
        """Inputs of all models' training data, None where there is none."""
        return self._given_batches(purpose, limit, device) if self.pool.has_train_datasets(self.names) else None

    def _given_batches(self, purpose: str, limit: int | None, device: torch.device) -> Iterator[Tensor]:
        generator = generator_for(self.method.seed, purpose)
        size = self.method.batch_size
        batches = self.pool.input_batches(self.names, batch_size=size, limit=limit, generator=generator)
        dtype = next((one.dtype for one in self.models[0].parameters() if one.is_floating_point()), torch.float32)
        return (batch.to(device, dtype if batch.is_floating_point() else None) for batch in batches)
