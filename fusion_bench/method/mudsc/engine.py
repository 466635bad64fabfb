"""The engine of the alignment methods: from models and data to matchings, and from these to a merged model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fusion_bench.functional.params import Params, is_mergeable, work_dtype
from fusion_bench.functional.permutation import Matching, map_units, merge_tensors
from fusion_bench.functional.zipping import check_zip_options
from fusion_bench.method.mudsc.descent import Descent, Found
from fusion_bench.method.mudsc.matching import WeightSimilarity, align_match, zip_match
from fusion_bench.models.activations import activation_similarity
from fusion_bench.models.permutation_spec import PermutationSpec

MATCHERS = ("align", "zip", "none")
PUBLISHED_EPSILON = 1e-5


@dataclass(frozen=True, kw_only=True)
class Engine:
    """How units are matched.

    Args:
        matcher: ``align`` one to one with the first model, ``zip`` greedily, also within a model, or ``none``.
        alpha: weight of the weight space in [0, 1]; 1 needs no data, 0 compares activations alone, in one shot.
        a: damping of merged units in (0, 1], for ``zip``.
        b: share of merges that may be within a model, in [0, 1], for ``zip``.
        faithful: do as the published code does: heads of queries and keys are matched apart from those of values,
            activations are taken at one tap a group, the descent starts from the order of the units, clusters are
            divided by their size plus 1e-5, and b = 0 allows one merge within each model.
        seed: of the order of visits.
        max_sweeps: at most so many sweeps.
        patience: sweeps without improvement before giving up.
    """

    matcher: str = "zip"
    alpha: float = 0.5
    a: float = 0.5
    b: float = 1.0
    faithful: bool = False
    seed: int = 0
    max_sweeps: int = 100
    patience: int = 5

    def __post_init__(self) -> None:
        if self.matcher not in MATCHERS:
            raise ValueError(f"matcher must be one of {', '.join(MATCHERS)}; got {self.matcher!r}")
        if not 0 <= self.alpha <= 1:
            raise ValueError(f"alpha must be in [0, 1], got {self.alpha}")
        check_zip_options(self.a, self.b)
        if self.max_sweeps < 1 or self.patience < 1:
            raise ValueError(f"max_sweeps and patience must be at least 1, got {self.max_sweeps} and {self.patience}")

    @property
    def compares_activations(self) -> bool:
        """Whether data is needed."""
        return self.matcher != "none" and self.alpha < 1

    @property
    def compares_weights(self) -> bool:
        """Whether weights count."""
        return self.matcher != "none" and self.alpha > 0

    def view(self, spec: PermutationSpec) -> PermutationSpec:
        """The spec as this engine reads it."""
        return spec.as_published() if self.faithful else spec

    def similarities(
        self,
        models: Sequence[nn.Module],
        spec: PermutationSpec,
        batches: Iterable[Tensor],
        names: Sequence[str] | None = None,
    ) -> dict[str, Tensor]:
        """The similarity of the activations of each group's units, in one pass over the batches.

        Args:
            models: of one architecture.
            spec: the groups.
            batches: inputs.
            names: of the models, for error messages; None numbers them.
        """
        kind = {"cross": self.matcher == "align", "pooled": self.faithful}
        return activation_similarity(models, self.view(spec), batches, names=names, **kind)

    def match(
        self, models: Sequence[Params], spec: PermutationSpec, activations: Mapping[str, Tensor] | None = None
    ) -> Found:
        """The matchings of all groups.

        Args:
            models: the tensors of each model.
            spec: the groups; only those that are to be merged.
            activations: see :meth:`similarities`; needed unless alpha is 1.
        """
        if self.matcher == "none" or len(models) < 2 or not spec.groups:
            return Found()
        if self.compares_activations and activations is None:
            raise ValueError(f"alpha={self.alpha} compares activations, but none were given")
        spec = self.view(spec)
        visits = spec.ties()
        cross = self.matcher == "align"
        zipping = zip_match(len(models), a=self.a, b=self.b, lenient=self.faithful)
        descent = Descent(
            visits,
            [spec.groups[names[0]].blocks for names in visits],
            align_match if cross else zipping,
            WeightSimilarity(models, spec, cross=cross) if self.compares_weights else None,
            activations if self.compares_activations else None,
            self.alpha,
        )
        return descent.run(
            seed=self.seed, max_sweeps=self.max_sweeps, patience=self.patience, known_first=not self.faithful
        )

    def merge(
        self,
        models: Sequence[Params],
        spec: PermutationSpec,
        matchings: Mapping[str, Matching],
        weights: Sequence[float],
        name: str,
    ) -> Tensor:
        """One tensor of the merged model, in the dtype of the first model; integers are the first model's.

        Args:
            models: the tensors of each model.
            spec: the groups.
            matchings: of the groups that are merged.
            weights: one a model; they sum to 1.
            name: of the tensor.
        """
        first = models[0][name]
        if not is_mergeable(first):
            return first.clone()
        dtype = work_dtype(first)
        placed = [(member, matchings[group]) for group, member in spec.placed().get(name, []) if group in matchings]
        epsilon = PUBLISHED_EPSILON if self.faithful else 0.0
        with torch.no_grad():
            tensors = [params[name].to(dtype) for params in models]
            return merge_tensors(tensors, placed, weights, epsilon=epsilon).to(first.dtype)

    def carry(
        self,
        models: Sequence[Params],
        spec: PermutationSpec,
        matchings: Mapping[str, Matching],
        index: int,
        name: str,
    ) -> Tensor:
        """A tensor of model ``index`` that is not merged itself but reads merged units; see :meth:`merge`."""
        tensor = models[index][name]
        carried = tensor.to(work_dtype(tensor)) if is_mergeable(tensor) else tensor.clone()
        for group, member in spec.placed().get(name, []):
            if group in matchings:
                carried = map_units(carried, member, matchings[group].clusters[index])
        return carried.to(tensor.dtype, copy=True)
