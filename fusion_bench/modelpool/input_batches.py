"""Batches of inputs drawn from the training data of several models together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn


def union_batches(
    datasets: Mapping[str, Any],
    prepare: Callable[[str, Any], Tensor],
    *,
    batch_size: int,
    limit: int | None,
    generator: torch.Generator,
) -> Iterator[Tensor]:
    """Batches of inputs from all data sets, mixed at random, each item once.

    Args:
        datasets: by name; objects with a length and items, or tensors of inputs. One given twice counts once.
        prepare: makes the input of one item of the data set of that name.
        batch_size: items a batch; the last may be smaller.
        limit: at most so many items in all; None takes all.
        generator: the source of the order.

    Raises:
        ValueError: if there is no item.
    """
    distinct = {id(dataset): (name, dataset) for name, dataset in datasets.items()}
    places = [
        (name, dataset, index)
        for name, dataset in distinct.values()
        for index in range(len(dataset))  # indices first: data sets may be large
    ]
    if not places:
        raise ValueError(f"the training data of {list(datasets)} holds nothing")
    order = torch.randperm(len(places), generator=generator)[:limit].tolist()
    for start in range(0, len(order), batch_size):
        chosen = [places[number] for number in order[start : start + batch_size]]
        yield torch.stack([prepare(name, dataset[index]) for name, dataset, index in chosen])


def fit_for(model: nn.Module, batches: Iterable[Tensor]) -> Iterator[Tensor]:
    """The batches on the device of a model, those of floating-point numbers in the dtype of its weights."""
    place = next((one for one in model.parameters() if one.is_floating_point()), torch.empty(0))
    return (batch.to(place.device, place.dtype if batch.is_floating_point() else None) for batch in batches)


def plain_input(name: str, item: Any) -> Tensor:
    """The input in an item: the item itself, the first of a pair with its label, or ``pixel_values`` of a mapping.

    Raises:
        TypeError: if it is none of these.
    """
    found = item
    if isinstance(item, Mapping):
        found = item.get("pixel_values")
    elif isinstance(item, Sequence) and not isinstance(item, str) and item:
        found = item[0]
    if not isinstance(found, Tensor):
        raise TypeError(
            f"an item of the training data of {name!r} must be a tensor, a pair of one and its label, or a mapping "
            f"with 'pixel_values'; got {type(item).__name__}"
        )
    return found
