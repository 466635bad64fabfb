"""Small functions that code written around OPCM uses: singular vectors, inner products, task vector norms."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from fusion_bench.functional.params import is_mergeable, squared_norm, task_vector


def svd(
    w: Tensor, full_matrices: bool = True, accelerator: str | torch.device | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Singular value decomposition ``w = u diag(s) vᵀ`` with ``v`` not transposed.

    Args:
        w: matrix of shape ``(m, n)``.
        full_matrices: ``u`` is ``(m, m)`` and ``v`` ``(n, n)``; else both have min(m, n) columns.
        accelerator: device to compute on; None computes where ``w`` is.

    Returns:
        ``u``, ``s`` (largest first) and ``v`` on the device of ``w``.

    Raises:
        ValueError: if ``w`` is not a matrix.
    """
    if w.ndim != 2:
        raise ValueError(f"w must be a matrix, got a tensor of shape {tuple(w.shape)}")
    u, s, vh = torch.linalg.svd(w if accelerator is None else w.to(accelerator), full_matrices=full_matrices)
    return u.to(w.device), s.to(w.device), vh.mH.to(w.device)


def frobenius_inner_product(w1: Tensor, w2: Tensor) -> Tensor:
    """The sum of the products of all entries, tr(w1ᵀ w2), as a tensor without dimensions.

    Raises:
        ValueError: if the shapes differ.
    """
    if w1.shape != w2.shape:
        raise ValueError(f"w1 and w2 must have one shape, got {tuple(w1.shape)} and {tuple(w2.shape)}")
    return torch.sum(w1 * w2)


def get_task_vector_norm(model: nn.Module, pretrained_model: nn.Module) -> Tensor:
    """L2 norm of ``model − pretrained_model`` over all floating-point parameters and buffers, a float64 scalar."""
    tuned, base = model.state_dict(), pretrained_model.state_dict()
    names = [name for name, tensor in base.items() if is_mergeable(tensor)]
    square = math.fsum(squared_norm(task_vector(tuned, base, name)) for name in names)
    return torch.tensor(math.sqrt(square), dtype=torch.float64)
