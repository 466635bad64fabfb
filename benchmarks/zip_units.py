"""Time greedy zipping of units against a plain implementation that compacts the matrix at every merge.

Both run in this process on one matrix of correlations, in turn; the clusters must be the same.
"""

from __future__ import annotations

import argparse
import time

import torch
from torch import Tensor

from fusion_bench.functional.zipping import zip_units


def plain_zip(similarity: Tensor, models: int, *, a: float, b: float) -> tuple[Tensor, float]:
    """U of shape ``(models · units, units)``, and the mean similarity of the merges, as the definition reads.

    Every merge takes the first largest entry, writes the merged row and column, and copies the matrix without the row
    and the column that are gone. Each model may merge two of its units at least once.
    """
    total = len(similarity)
    keep = total // models
    matrix = similarity.clone()
    matrix.fill_diagonal_(-torch.inf)
    members = torch.eye(total)
    owner = torch.arange(models).repeat_interleave(keep)
    budget = [int(((total - keep) // models) * b + 1e-4)] * models
    values = []
    for _ in range(total - keep):
        i, j = sorted(divmod(int(matrix.argmax()), len(matrix)))
        values.append(float(matrix[i, j]))
        row = torch.minimum(matrix[i], matrix[j]) * a
        row[i] = -torch.inf
        matrix[i], matrix[:, i] = row, row
        members[:, i] += members[:, j]
        same, model = bool(owner[i] == owner[j]), int(owner[i])
        left = torch.arange(len(matrix)) != j
        matrix, members, owner = matrix[left][:, left], members[:, left], owner[left]
        if same:
            budget[model] -= 1
            if budget[model] <= 0:
                spent = (owner == model).nonzero().squeeze(1)
                matrix[spent.unsqueeze(1), spent] = -torch.inf
    return members, sum(values) / len(values)


def correlations(units: int, models: int, seed: int) -> Tensor:
    """Correlations of units of models that share some of what they respond to, ``(models · units, models · units)``."""
    generator = torch.Generator().manual_seed(seed)
    shared = torch.randn(units, 4 * units, generator=generator)
    rows = [
        shared[torch.randperm(units, generator=generator)] + torch.randn(shared.shape, generator=generator)
        for _ in range(models)
    ]
    matrix = torch.corrcoef(torch.cat(rows))
    return torch.maximum(matrix, matrix.T)


def main() -> None:
    """Print both times and how often the fast one fits into the plain one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--units", type=int, default=512)
    parser.add_argument("--models", type=int, default=2)
    parser.add_argument("-a", type=float, default=0.5)
    parser.add_argument("-b", type=float, default=1.0)
    options = parser.parse_args()
    matrix = correlations(options.units, options.models, seed=0)
    start = time.perf_counter()
    expected, _ = plain_zip(matrix, options.models, a=options.a, b=options.b)
    plain = time.perf_counter() - start
    times = []
    for _ in range(5):
        start = time.perf_counter()
        matching, _ = zip_units(matrix, options.models, a=options.a, b=options.b, lenient=True)
        times.append(time.perf_counter() - start)
    fast = sorted(times)[2]
    same = torch.equal(matching.unmerge(), expected.double())
    print(f"{options.units} units of {options.models} models: plain {plain:.3f} s, ours {fast:.3f} s")
    print(f"{plain / fast:.0f} times faster; clusters {'identical' if same else 'DIFFERENT'}")


if __name__ == "__main__":
    main()
