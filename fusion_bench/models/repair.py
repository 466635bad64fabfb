"""REPAIR: units of a merged model get the mean and deviation that its parents' units have.

Averaged units vary less than what they were averaged from. Jordan et al., "REPAIR: REnormalizing Permuted Activations
for Interpolation Repair", ICLR 2023, arXiv 2211.08403.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from fusion_bench.functional.params import work_dtype
from fusion_bench.functional.permutation import Matching
from fusion_bench.models.permutation_spec import PermutationSpec

_DEAD = 1e-6  # a unit that varies less is left as it is

Channels = Mapping[str, tuple[str, int, int]]
"""For each module whose outputs are repaired: the group of its units, and the run of its channels that they are."""


def repair_(
    merged: nn.Module,
    parents: Sequence[nn.Module],
    spec: PermutationSpec,
    matchings: Mapping[str, Matching],
    weights: Sequence[float],
    batches: Callable[[], Iterable[Tensor]],
) -> None:
    """Overwrite scales and shifts of the layers of ``merged`` that make matched units.

    The mean and the standard deviation of each channel become the mean of those of its members, weighted like them. One
    pass over the data measures the parents, a second one the merged model, whose layers see inputs that are repaired
    already. A normalisation that makes units is repaired in place of the layer before it.

    Args:
        merged: the merged model.
        parents: the models it was made from.
        spec: the groups.
        matchings: of the groups that were merged.
        weights: one a parent; they sum to 1.
        batches: gives the data, always the same.

    Raises:
        ValueError: if there is no data.
    """
    layers = repaired_layers(merged, spec, matchings)
    targets = _targets(layers, parents, matchings, weights, batches())
    mean, deviation = _repaired_statistics(merged, targets, batches())
    with torch.no_grad():
        for name, (goal, spread) in targets.items():
            scale = torch.where(deviation[name] > _DEAD, spread / deviation[name].clamp(min=_DEAD), 1.0)
            rescale_(merged.get_submodule(name), scale, goal - mean[name] * scale)


def repaired_layers(model: nn.Module, spec: PermutationSpec, matchings: Mapping[str, Matching]) -> dict[str, str]:
    """Module name to the group whose units it makes: normalisations by channel, else linear layers and convolutions.

    Layers without a bias are left out: they cannot be shifted. So are those that make units of several groups.
    """
    found: dict[str, list[str]] = {}
    for group, entry in spec.groups.items():
        if group not in matchings:
            continue
        made = [member.param.removesuffix(".weight") for member in entry.members if member.role == "out"]
        owners = {name: layer for name, layer in model.named_modules() if name in made}
        norms = [name for name, layer in owners.items() if isinstance(layer, _BatchNorm | nn.GroupNorm)]
        for name in norms or owners:
            layer = owners[name]
            if isinstance(layer, nn.Linear | nn.Conv2d | _BatchNorm | nn.GroupNorm) and layer.bias is not None:
                found.setdefault(name, []).append(group)
    return {
        name: groups[0]
        for name, groups in found.items()
        if len(groups) == 1 and len(model.get_parameter(f"{name}.bias")) == matchings[groups[0]].units
    }


def rescale_(layer: nn.Module, scale: Tensor, shift: Tensor) -> None:
    """Overwrite weight and bias so that the layer's output is ``scale · output + shift``, channel by channel."""
    weight, bias = layer.get_parameter("weight"), layer.get_parameter("bias")
    weight.mul_(scale.to(weight).view(-1, *[1] * (weight.dim() - 1)))
    bias.mul_(scale.to(bias)).add_(shift.to(bias))


def _targets(
    layers: Mapping[str, str],
    parents: Sequence[nn.Module],
    matchings: Mapping[str, Matching],
    weights: Sequence[float],
    batches: Iterable[Tensor],
) -> dict[str, tuple[Tensor, Tensor]]:
    """For each layer the mean and deviation of the channels of the merged model, from those of its parents."""
    moments = [{name: _Moments() for name in layers} for _ in parents]
    with ExitStack() as stack, torch.no_grad():
        for parent, found in zip(parents, moments, strict=True):
            stack.enter_context(_hooked(parent, found))
        for batch in batches:
            for parent in parents:
                parent(batch)
    targets = {}
    for name, group in layers.items():
        matching = matchings[group]
        mass = matching.mass(weights)
        rows = [torch.stack([one[name].mean(), one[name].deviation()]) for one in moments]
        total = torch.zeros_like(rows[0])
        for row, clusters, weight in zip(rows, matching.clusters, weights, strict=True):
            total.index_add_(1, clusters.to(total.device), weight * row)
        goal, spread = total / mass.to(total)
        targets[name] = (goal, spread)
    return targets


def _repaired_statistics(
    merged: nn.Module, targets: Mapping[str, tuple[Tensor, Tensor]], batches: Iterable[Tensor]
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Mean and deviation of the outputs of each layer, when the layers before it are repaired batch by batch."""
    moments = {name: _Moments() for name in targets}
    with _hooked(merged, moments, targets), torch.no_grad():
        for batch in batches:
            merged(batch)
    return (
        {name: one.mean() for name, one in moments.items()},
        {name: one.deviation() for name, one in moments.items()},
    )


class _Moments:
    """Mean and deviation of the channels of outputs, batch by batch, each batch counting as one."""

    def __init__(self) -> None:
        self.batches = 0
        self.first: Tensor | float = 0.0
        self.second: Tensor | float = 0.0

    def add(self, mean: Tensor, variance: Tensor) -> None:
        self.batches += 1
        self.first = self.first + mean
        self.second = self.second + variance + mean.square()

    def mean(self) -> Tensor:
        if not isinstance(self.first, Tensor):
            raise ValueError("no data was given to repair the model on")
        return self.first / self.batches

    def deviation(self) -> Tensor:
        mean = self.mean()
        return (torch.as_tensor(self.second) / self.batches - mean.square()).clamp(min=0).sqrt()


@contextmanager
def _hooked(
    model: nn.Module, moments: Mapping[str, _Moments], targets: Mapping[str, tuple[Tensor, Tensor]] | None = None
) -> Iterator[None]:
    """While the block runs, collect the moments of outputs and, given targets, replace the outputs by repaired ones."""
    with ExitStack() as stack:
        for name, found in moments.items():

            def hook(
                layer: nn.Module, inputs: Any, output: Tensor, name: str = name, found: _Moments = found
            ) -> Tensor | None:
                axis = -1 if isinstance(layer, nn.Linear) else 1
                others = [dim for dim in range(output.dim()) if dim != axis % output.dim()]
                moments = torch.var_mean(output.to(work_dtype(output)), dim=others, correction=0)
                variance, mean = (moment.double() for moment in moments)  # a batch at a time is precise enough
                found.add(mean, variance)
                if targets is None:
                    return None
                goal, spread = targets[name]
                deviation = variance.sqrt()
                scale = torch.where(deviation > _DEAD, spread / deviation.clamp(min=_DEAD), 1.0)
                shape = [1] * output.dim()
                shape[axis] = -1
                return output * scale.to(output).view(shape) + (goal - mean * scale).to(output).view(shape)

            stack.callback(model.get_submodule(name).register_forward_hook(hook).remove)
        yield
