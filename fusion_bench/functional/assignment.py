"""Units of several models matched one to one: linear assignment, also in blocks such as attention heads.

Ainsworth et al., "Git Re-Basin", ICLR 2023, arXiv 2209.04836; Xu et al., "Training-free model merging under dual-space
constraints" (MuDSC), CVPR 2024, arXiv 2403.01753.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from fusion_bench.functional.permutation import Matching


def assign(similarity: Tensor) -> tuple[Tensor, float]:
    """The permutation p that maximises ``Σ_r similarity[r, p[r]]``, and the mean similarity of the pairs.

    Args:
        similarity: shape ``(units, units)``, rows of the first model.

    Raises:
        ValueError: if an entry is NaN or infinite.
    """
    values = similarity.detach().cpu().numpy()
    if not np.isfinite(values).all():
        raise ValueError("similarities must be finite; some are NaN or infinite")
    rows, columns = linear_sum_assignment(values, maximize=True)
    return torch.from_numpy(columns).long(), float(values[rows, columns].mean())


def block_scores(similarity: Tensor, blocks: int) -> tuple[list[list[Tensor]], Tensor]:
    """The best permutation inside every pair of blocks, and its mean similarity.

    Args:
        similarity: shape ``(units, units)``; units are ``blocks`` runs of equal length.
        blocks: how many.

    Returns:
        The permutations ``inner[x][y]`` of length ``units / blocks``, and the scores, float64 ``(blocks, blocks)``.
    """
    size = check_blocks(len(similarity), blocks)
    tiles = similarity.reshape(blocks, size, blocks, size).transpose(1, 2)
    found = [[assign(tiles[x, y]) for y in range(blocks)] for x in range(blocks)]
    scores = torch.tensor([[score for _, score in row] for row in found], dtype=torch.float64)
    return [[inner for inner, _ in row] for row in found], scores


def assign_blocks(similarities: Sequence[Tensor], blocks: int) -> tuple[list[Tensor], Tensor, list[float]]:
    """Permutations that move whole blocks, the same blocks in every group, and permute freely inside them.

    A pair of blocks scores the mean similarity of its best inner permutation, averaged over the groups; a linear
    assignment over these scores pairs the blocks.

    Args:
        similarities: one matrix ``(units, units)`` a group; several for groups whose blocks belong together, such as
            the query-key and the value units of attention heads.
        blocks: how many blocks each group has.

    Returns:
        One permutation a group, the block of the second model for each block of the first, and each group's value.
    """
    found = [block_scores(similarity, blocks) for similarity in similarities]
    order, _ = assign(torch.stack([scores for _, scores in found]).mean(dim=0))
    pairs = list(enumerate(order.tolist()))
    permutations, values = [], []
    for (inner, scores), similarity in zip(found, similarities, strict=True):
        size = len(similarity) // blocks
        permutations.append(torch.cat([y * size + inner[x][y] for x, y in pairs]))
        values.append(float(torch.stack([scores[x, y] for x, y in pairs]).mean()))
    return permutations, order, values


def align(similarities: Sequence[Tensor], *, blocks: int = 1) -> tuple[list[Matching], list[float]]:
    """Match every model's units one to one with those of the first model.

    Args:
        similarities: for each group that moves together the similarities of the first model's units (rows) to those
            of every further one, shape ``(models - 1, units, units)``.
        blocks: how many blocks of units stay whole.

    Returns:
        Each group's matching and the mean similarity of its matched pairs, 1 for one model alone.
    """
    permutations: list[list[Tensor]] = [[torch.arange(group.shape[-1])] for group in similarities]
    values: list[list[float]] = [[] for _ in similarities]
    for matrices in zip(*similarities, strict=True):
        if blocks == 1 and len(similarities) == 1:
            found = [assign(matrices[0])]
        else:
            parts, _, scores = assign_blocks(matrices, blocks)
            found = list(zip(parts, scores, strict=True))
        for group, (permutation, value) in enumerate(found):
            permutations[group].append(permutation)
            values[group].append(value)
    matchings = [Matching.from_permutations(group) for group in permutations]
    return matchings, [sum(group) / len(group) if group else 1.0 for group in values]


def check_blocks(units: int, blocks: int) -> int:
    """The number of units a block.

    Raises:
        ValueError: if the units do not fall into that many equal blocks.
    """
    if blocks < 1 or units % blocks:
        raise ValueError(f"{units} units do not fall into {blocks} equal blocks")
    return units // blocks
