"""Correlations of the activations of several models, for all groups of a permutation spec in one pass over data."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from fusion_bench.functional.params import work_dtype
from fusion_bench.functional.similarity import FeatureStatistics
from fusion_bench.models.permutation_spec import PermutationSpec, Tap

_IMAGES_AT_A_TIME = 16  # activations of all layers are kept for so many; statistics do not depend on it


def activation_similarity(
    models: Sequence[nn.Module],
    spec: PermutationSpec,
    batches: Iterable[Tensor],
    *,
    cross: bool,
    pooled: bool = False,
    names: Sequence[str] | None = None,
) -> dict[str, Tensor]:
    """For each group the correlations of its units' activations, see :func:`functional.similarity.products`.

    Every model sees every image once, a few at a time. The activations of the last model meet those of the others as
    they are computed, and are not kept.

    Args:
        models: of one architecture, in eval mode, on one device.
        spec: the groups, whose taps say where to look.
        batches: inputs of the models.
        cross: only between the first model and the others.
        pooled: take the activations at all taps of a group as one sample, as the published code does; otherwise the
            correlations at its taps are averaged.
        names: of the models, for error messages; None numbers them.

    Raises:
        ValueError: if there is no data, a group has no tap, or a model computes NaN.
    """
    for name, group in spec.groups.items():
        if not group.taps:
            raise ValueError(f"the group {name!r} has no taps, so its activations cannot be compared; add some")
    places = [(name, tap) for name, group in spec.groups.items() for tap in group.taps]
    statistics: dict[tuple[str, int], FeatureStatistics] = {}
    owners = [f"model {name!r}" for name in (range(len(models)) if names is None else names)]
    with torch.no_grad():
        for part in (part for batch in batches for part in torch.split(batch, _IMAGES_AT_A_TIME)):

            def add(number: int, features: list[Tensor], images: int = len(part)) -> None:
                name, tap = places[number]
                key = (name, 0 if pooled else spec.groups[name].taps.index(tap))
                statistics.setdefault(key, FeatureStatistics(cross=cross)).add(features, images)

            _compare(models, owners, [tap for _, tap in places], part, add)
    if not statistics:
        raise ValueError("no data was given to compare activations on")
    return {name: _mean_correlation(name, statistics) for name in spec.groups}


def _mean_correlation(group: str, statistics: dict[tuple[str, int], FeatureStatistics]) -> Tensor:
    """The mean of the correlations at all taps of a group, whose statistics are used up."""
    first, *others = [key for key in statistics if key[0] == group]
    total = statistics.pop(first).correlation_()
    for key in others:
        total += statistics.pop(key).correlation_()
    return total.div_(1 + len(others)) if others else total


def _compare(
    models: Sequence[nn.Module],
    owners: Sequence[str],
    taps: Sequence[Tap],
    batch: Tensor,
    add: Callable[[int, list[Tensor]], None],
) -> None:
    """Call ``add`` with the activations of all models at each tap, as soon as the last model has computed them."""
    kept: list[list[Tensor]] = [[] for _ in taps]
    for index, model in enumerate(models):

        def keep(number: int, values: Tensor, index: int = index) -> None:
            if not bool(torch.isfinite(values).all()):
                raise ValueError(
                    f"{owners[index]} computes NaN or infinite activations at {taps[number].module!r}, so its units "
                    "cannot be compared; check the model and its training data"
                )
            kept[number].append(values)
            if index == len(models) - 1:
                add(number, kept[number])
                kept[number] = []

        with tapped(model, taps, keep):
            model(batch)


@contextmanager
def tapped(model: nn.Module, taps: Sequence[Tap], read: Callable[[int, Tensor], None]) -> Iterator[None]:
    """While the block runs, ``read(number, values)`` gets the activations at each tap, shape ``(units, values)``."""
    submodules = dict(model.named_modules())
    with ExitStack() as stack:
        for number, tap in enumerate(taps):
            if tap.module not in submodules:
                raise ValueError(f"a tap names the module {tap.module!r}, which the model lacks")

            def hook(
                module: nn.Module, arguments: Any, output: Any = None, number: int = number, tap: Tap = tap
            ) -> None:
                read(number, unit_rows(_first(arguments if tap.side == "in" else output), tap))

            module = submodules[tap.module]
            handle = module.register_forward_pre_hook(hook) if tap.side == "in" else module.register_forward_hook(hook)
            stack.callback(handle.remove)
        yield


def unit_rows(values: Tensor, tap: Tap) -> Tensor:
    """A copy of activations as ``(units, values)``, in at least float32."""
    moved = values.movedim(tap.dim, (0, 1)).flatten(0, 1) if isinstance(tap.dim, tuple) else values.movedim(tap.dim, 0)
    rows = moved[tap.start : tap.stop].flatten(1).to(work_dtype(values))
    return rows.clone() if rows.untyped_storage().data_ptr() == values.untyped_storage().data_ptr() else rows


def _first(values: Any) -> Tensor:
    if isinstance(values, Mapping):
        values = tuple(values.values())
    return values if isinstance(values, Tensor) else _first(values[0])
