"""What continual methods work on: the base, the state they fold models into, and one tensor of the next state."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Protocol, TypeVar

from torch import Tensor

from fusion_bench.functional.params import LazyParams, Params, is_mergeable, work_dtype

T = TypeVar("T")


class MapTensors(Protocol):
    """Applies a function to every named tensor; results by name, in the order of ``names``."""

    def __call__(self, function: Callable[[str], T], names: Sequence[str]) -> dict[str, T]:
        """``{name: function(name)}``."""
        ...


@dataclass(frozen=True)
class Base:
    """What the models of a run have in common: the point task vectors are measured from, and the architecture."""

    params: Params
    linear_weights: frozenset[str]  # names of the weights of ``nn.Linear`` modules
    is_pretrained: bool = True  # False where the first model stands in for a missing pretrained one

    @property
    def mergeable(self) -> list[str]:
        """Names of the floating-point tensors, in the order of the model."""
        return [name for name, tensor in self.params.items() if is_mergeable(tensor)]


class Update(NamedTuple):
    """One tensor of the next state, which takes the place of that of the state before as soon as it is computed."""

    accumulator: Tensor
    accumulator_square: float  # its squared norm
    vector_square: float  # squared norm of the task vector that went in
    rank: int | None = None  # protected directions; None where nothing was projected


@dataclass(frozen=True, kw_only=True)
class MergeState:
    """All a continual method remembers: merged = base + accumulator / divisor. Its size does not grow with T."""

    accumulator: Mapping[str, Tensor]  # at least float32, one tensor per mergeable name
    divisor: float  # λ_t of OPCM, the number of models for an average, else 1
    count: int  # models folded in so far
    task_vector_norm: float  # L2 norm of the latest task vector over all tensors
    norm_sum: float  # sum of the task vector norms so far
    accumulator_norm: float
    split_ranks: Mapping[str, int] = field(default_factory=dict)  # protected directions per weight, if any

    def snapshot(self, *, taking: bool = False) -> MergeState:
        """This state with a mapping of its own to the same tensors.

        Args:
            taking: whether a tensor of the accumulator leaves the mapping when it is asked for.
        """
        if not isinstance(self.accumulator, dict):
            return self  # in files
        return replace(self, accumulator=Taken(self.accumulator) if taking else dict(self.accumulator))

    def merged(self, base: Params, owner_of: Mapping[str, int] | None = None) -> LazyParams:
        """The merged parameters in the dtype of ``base``, each computed when asked for.

        Args:
            base: the parameters that the accumulator is an offset to.
            owner_of: the process that holds a tensor of the accumulator, where there are several.
        """

        def tensor(name: str) -> Tensor:
            origin = base[name]
            if name not in self.accumulator:
                return origin.clone()
            offset = self.accumulator[name].to(origin.device) / self.divisor
            return offset.add_(origin.to(work_dtype(origin))).to(origin.dtype)

        return LazyParams(base, tensor, like=base, owner_of=owner_of)

    def metrics(self) -> dict[str, float]:
        """Norms and λ_t under the names they are logged by."""
        return {
            "model/task_vector_norm": self.task_vector_norm,
            "model/avg_task_vector_norm": self.norm_sum / self.count,
            "model/merged_task_vector_norm": self.accumulator_norm / self.divisor,
            "model/lambda_t": self.divisor,
            "empirical/lambda_t": math.sqrt(self.count),
        }


class Taken(dict[str, Tensor]):
    """Tensors of which each is handed out once."""

    def __getitem__(self, name: str) -> Tensor:
        return self.pop(name)
