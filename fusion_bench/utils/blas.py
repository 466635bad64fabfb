"""Gram matrices by BLAS's own routine for them, which computes only the half that is needed; torch has none."""

from __future__ import annotations

import torch
from torch import Tensor

from fusion_bench.functional.eigensystem import gram_upper
from fusion_bench.utils.compiled import call

_SMALL = 128  # rows below which there is little to save
_BLOCK = 64  # rows added at a time, whose copy in float64 stays in a cache
_COLUMNS = 512  # held in float64 at a time, or summed in float32, by a routine that adds up parts of them by itself


def blas_gram(rows: Tensor, dtype: torch.dtype = torch.float64) -> Tensor:
    """The upper triangle of ``rows @ rows.T`` in float64, as :func:`gram_upper`; by that on another device.

    Args:
        rows: ``(m, n)``, any floating-point dtype and layout.
        dtype: dtype of the products, float64 or float32, whose sums are added in float64.
    """
    size, length = rows.shape
    if rows.device.type != "cpu" or size < _SMALL or length == 0:
        return gram_upper(rows, dtype)
    gram = torch.zeros(size, size, dtype=torch.float64)
    if dtype == torch.float64:
        for part in torch.split(rows, _COLUMNS, dim=1):
            _add_products("dsyrk", part.double(), gram, keep=1.0)
    else:
        products = torch.zeros(size, size)
        for part in torch.split(rows, _COLUMNS, dim=1):
            _add_products("ssyrk", part.float(), products, keep=0.0)
            for start in range(0, size, _BLOCK):
                gram[start : start + _BLOCK, start:] += products[start : start + _BLOCK, start:]
    return gram


def _add_products(name: str, rows: Tensor, gram: Tensor, *, keep: float) -> None:
    """Make ``gram`` the upper triangle of ``keep * gram + rows @ rows.T``."""
    if 1 not in rows.stride():
        rows = rows.contiguous()
    # What has its rows one after the other here is the transposed matrix there, with the triangles exchanged.
    by_rows = rows.stride(1) == 1
    (size, length), step = rows.shape, rows.stride(0 if by_rows else 1)
    call("blas", name, b"L", b"T" if by_rows else b"N", size, length, 1.0, rows, step, keep, gram, size)
