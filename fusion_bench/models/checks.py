"""Checks that models can be merged: same tensors, same shapes and dtypes, finite numbers."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

import torch

from fusion_bench.functional.params import Params


class DifferentShapeError(ValueError):
    """Two models have a tensor of the same name in two shapes."""


def fits(name: str, patterns: Sequence[str]) -> bool:
    """Whether a name is one of some names, or fits one of some patterns such as ``classifier.*``."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def check_compatible(
    name: str, params: Params, reference_name: str, reference: Params, *, apart: Sequence[str] = ()
) -> None:
    """Check that two models have the same tensors.

    Args:
        name: of a model.
        params: its tensors.
        reference_name: of the other model.
        reference: its tensors.
        apart: names or patterns of tensors whose shapes may differ.

    Raises:
        ValueError: naming the model, the tensor, what it is and what was expected; a :class:`DifferentShapeError` for
            its shape.
    """
    for key in reference:
        if key not in params:
            raise ValueError(f"model {name!r} lacks the tensor {key!r}, which {reference_name!r} has")
    for key in params:
        if key not in reference:
            raise ValueError(f"model {name!r} has a tensor {key!r}, which {reference_name!r} lacks")
    for key in reference:
        ours, expected = params[key], reference[key]
        if ours.shape != expected.shape and not fits(key, apart):
            raise DifferentShapeError(
                f"model {name!r}: tensor {key!r} has shape {tuple(ours.shape)}, expected {tuple(expected.shape)} "
                f"as in {reference_name!r}"
            )
        if ours.dtype != expected.dtype:
            raise ValueError(
                f"model {name!r}: tensor {key!r} has dtype {ours.dtype}, expected {expected.dtype} "
                f"as in {reference_name!r}"
            )


def check_finite(name: str, params: Params) -> None:
    """Check that no tensor holds NaN or Inf.

    Raises:
        ValueError: naming the model, the tensor and how many entries are not finite.
    """
    for key, tensor in params.items():
        if not tensor.is_floating_point() or not tensor.numel():
            continue
        lowest, highest = tensor.aminmax()  # NaN goes through to both: one pass, and no mask in memory
        if not (torch.isfinite(lowest) and torch.isfinite(highest)):
            bad = int((~torch.isfinite(tensor)).sum())
            raise ValueError(
                f"model {name!r}: tensor {key!r} has {bad} of {tensor.numel()} entries that are NaN or Inf"
            )
