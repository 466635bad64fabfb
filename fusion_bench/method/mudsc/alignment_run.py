"""One run of an alignment method: matchings, merged tensors, statistics, and the choice of a balance."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from fusion_bench.functional.permutation import Matching
from fusion_bench.method.mudsc.balance import Balance, agreement, best_of, report_curve
from fusion_bench.method.mudsc.engine import Engine
from fusion_bench.method.tensor_map import TensorMap
from fusion_bench.modelpool.base_pool import BaseModelPool
from fusion_bench.modelpool.input_batches import fit_for
from fusion_bench.models.batch_norm import batch_norms, reestimate_
from fusion_bench.models.permutation_spec import PermutationSpec
from fusion_bench.models.precision import computable_, stored_
from fusion_bench.models.repair import repair_
from fusion_bench.models.task_models import TaskModels
from fusion_bench.runtime import Runtime
from fusion_bench.utils.rng import generator_for

if TYPE_CHECKING:
    from fusion_bench.functional.params import Params
    from fusion_bench.method.aligned import AlignedAlgorithm

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class AlignmentRun:
    """One run: the method and what it works on.

    Args:
        method: the method.
        pool: the models and their data.
        names: of the models.
        models: as they are computed, which on a CPU is not in half precision.
        dtypes: of their tensors as they are stored, and as the merged model's shall be.
        spec: the groups that are merged.
        weights: one a model; they sum to 1.
        separate: names of the tensors that are not merged.
        runtime: where and how.
    """

    method: AlignedAlgorithm
    pool: BaseModelPool
    names: list[str]
    models: list[nn.Module]
    dtypes: Mapping[str, torch.dtype]
    spec: PermutationSpec
    weights: list[float]
    separate: list[str]
    runtime: Runtime

    def best(self, balance: Balance) -> nn.Module:
        """The merged model of the balance that does best."""
        score, best, scores = balance.score(), None, {}
        engines = [replace(self.method.engine(), alpha=alpha) for alpha in balance.grid]
        activations = self.activations(engines)  # once: they do not depend on the balance
        for engine in engines:
            merged = self._computed(engine, activations)
            with self.runtime.profile("choosing alpha"):
                if score is not None:
                    scores[engine.alpha] = score(merged)
                else:
                    scores[engine.alpha] = agreement(merged, self.names, self.models, self._own_batches)
            if best_of(scores) == engine.alpha:
                best = merged
        report_curve(scores, labelled=score is not None, log_dir=self.runtime.log_dir)
        if best is None:
            raise AssertionError("a curve without a number has no best")
        return self._stored_(best)

    def model(self, engine: Engine) -> nn.Module:
        """The merged model."""
        return self._stored_(self._computed(engine))

    def _computed(self, engine: Engine, activations: Mapping[str, Tensor] | None = None) -> nn.Module:
        """The merged model as it is computed; activations that are not given are compared here, if they count."""
        with self.runtime.profile("matching"):
            matchings = self.matchings(engine, self.activations([engine]) if activations is None else activations)
        with self.runtime.executor, self.runtime.profile("merging"):
            parts = self.merged(engine, matchings)
        with self.runtime.profile("statistics"):
            for part in parts:
                self.correct_(part, matchings)
        return TaskModels(self.names, parts, self.separate) if self.separate else parts[0]

    def activations(self, engines: Sequence[Engine]) -> Mapping[str, Tensor] | None:
        """The similarity of activations; None where none of the engines compares them."""
        comparing = [engine for engine in engines if engine.compares_activations]
        if not comparing or len(self.models) < 2 or not self.spec.groups:
            return None
        batches = self._batches("activations", self.method.images)
        if batches is None:
            raise ValueError(
                f"alpha={comparing[0].alpha:g} compares activations, which takes training data, and the model pool has "
                f"none for {self._without_data}; give it train_datasets, or compare weights alone with alpha=1"
            )
        amount = "all" if self.method.images is None else f"at most {self.method.images}"
        log.info("comparing the activations of %d models on %s training images", len(self.models), amount)
        return comparing[0].similarities(self.models, self.spec, batches, self.names)

    def matchings(self, engine: Engine, activations: Mapping[str, Tensor] | None) -> Mapping[str, Matching]:
        """The matchings of all groups."""
        params: list[Params] = [model.state_dict() for model in self.models]
        found = engine.match(params, self.spec, activations)
        for group, value in found.values.items():
            log.debug("group %s: mean similarity %.4f", group, value)
        return found.matchings

    def merged(self, engine: Engine, matchings: Mapping[str, Matching]) -> list[nn.Module]:
        """The merged model; one for each model if tensors are kept separate, which are those of that model."""
        executor = self.runtime.executor
        states = {name: model.state_dict() for name, model in zip(self.names, self.models, strict=True)}
        params: list[Params] = [executor.share(state, f"model {name!r}") for name, state in states.items()]
        names = [name for name in params[0] if name not in self.separate]
        costs = {name: float(tensor.numel()) for name, tensor in states[self.names[0]].items()}
        map_tensors = TensorMap(executor, costs, tick=partial(self.runtime.notify, "on_progress"))
        shared = map_tensors(partial(engine.merge, params, self.spec, matchings, self.weights), names)
        parts = []
        for index in range(len(self.models) if self.separate else 1):
            own = map_tensors(partial(engine.carry, params, self.spec, matchings, index), self.separate)
            like = self.names[index] if self.separate else self.pool.pretrained_or_first_name
            part = computable_(self.pool.load_model(like).to(self.runtime.device))
            part.load_state_dict({**shared, **own})
            parts.append(part)
        return parts

    def moved(self, engine: Engine) -> dict[str, nn.Module]:
        """Each model by name with its units in the order of their matchings."""
        matchings = self.matchings(engine, self.activations([engine]))
        params = [model.state_dict() for model in self.models]
        for index, model in enumerate(self.models):
            carried = {name: engine.carry(params, self.spec, matchings, index, name) for name in params[index]}
            stored_(model, self.dtypes).load_state_dict(carried)
        return dict(zip(self.names, self.models, strict=True))

    def _stored_(self, merged: nn.Module) -> nn.Module:
        """The merged model itself, in the dtypes of the models."""
        for part in merged.models if isinstance(merged, TaskModels) else [merged]:
            stored_(part, self.dtypes)
        return merged

    def correct_inputs_(self) -> None:
        """Overwrite the running statistics of the models by those on the data of all of them, if there is any."""
        changed = [model for model in self.models if batch_norms(model)] if len(self.models) > 1 else []
        for model in changed:
            batches = self._batches("statistics", self.method.statistics_images)
            if batches is not None:
                reestimate_(model, batches)
            elif self.method.input_statistics:
                raise ValueError(
                    f"input_statistics takes training data, and the model pool has none for {self._without_data}; "
                    "give it train_datasets, or set input_statistics=false"
                )

    def correct_(self, merged: nn.Module, matchings: Mapping[str, Matching]) -> None:
        """Overwrite the statistics of the merged model as the options say."""
        kind = self.method.statistics
        if kind == "auto":
            kind = "batch_norm" if batch_norms(merged) else "repair"
        if kind == "none" or len(self.models) < 2:
            return
        batches = self._batches("statistics", self.method.statistics_images)
        if batches is None:
            if self.method.statistics != "auto":
                raise ValueError(
                    f"statistics={kind} takes training data, and the model pool has none for {self._without_data}; "
                    "give it train_datasets, or set statistics=none"
                )
            log.warning("no training data: the merged model keeps statistics that do not fit it")
        elif kind == "batch_norm":
            log.info("estimating the running statistics of the merged model anew")
            reestimate_(merged, batches)
        else:
            log.info("repairing mean and deviation of the units of the merged model")
            matched = matchings or self._identity()
            again = partial(self._given_batches, self.names, "statistics", self.method.statistics_images)
            repair_(merged.eval(), self.models, self.spec, matched, self.weights, again)

    def _identity(self) -> dict[str, Matching]:
        sizes = self.spec.sizes({name: tensor.shape for name, tensor in self.models[0].state_dict().items()})
        return {group: Matching.identity(len(self.models), units) for group, units in sizes.items()}

    def _batches(self, purpose: str, limit: int | None) -> Iterator[Tensor] | None:
        """Inputs of all models' training data, None where there is none."""
        return self._given_batches(self.names, purpose, limit) if self.pool.has_train_datasets(self.names) else None

    @property
    def _without_data(self) -> list[str]:
        return [name for name in self.names if not self.pool.has_train_datasets([name])]

    def _own_batches(self, name: str) -> Iterator[Tensor]:
        """Inputs of one model's training data, to choose the balance on."""
        if not self.pool.has_train_datasets([name]):
            raise ValueError(
                f"alpha_data=train takes training data, and the model pool has none for {name!r}; give it "
                "train_datasets, or a task pool as alpha_data"
            )
        return self._given_batches([name], f"alpha of {name}", self.method.images)

    def _given_batches(self, names: Sequence[str], purpose: str, limit: int | None) -> Iterator[Tensor]:
        generator = generator_for(self.method.seed, purpose)
        size = self.method.batch_size
        batches = self.pool.input_batches(names, batch_size=size, limit=limit, generator=generator)
        return fit_for(self.models[0], batches)
