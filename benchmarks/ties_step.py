"""Time one continual TIES step at the sizes of a CLIP vision tower against a plain one on joined vectors.

Both run in this process on the same number of threads, in turn, so that what else the machine does hits both; medians
are reported. The results must be equal to the bit. Ours computes the norms of the new state besides.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor

from fusion_bench.functional.params import Params
from fusion_bench.method.opcm.ties_merging import ContinualTiesMerging
from fusion_bench.method.state import Base
from fusion_bench.utils.executors import ThreadExecutor

T = TypeVar("T")
Tensors = dict[str, Tensor]


def tower(layers: int, width: int, generator: torch.Generator, scale: float, around: Tensors | None = None) -> Tensors:
    """Normally distributed weights of the linear layers of a vision tower, around zero or the given ones."""
    shapes = dict.fromkeys(("q_proj", "k_proj", "v_proj", "out_proj"), (width, width))
    shapes |= {"fc1": (4 * width, width), "fc2": (width, 4 * width)}
    weights = {
        f"{layer}.{name}": torch.randn(shape, generator=generator) * scale
        for layer in range(layers)
        for name, shape in shapes.items()
    }
    return {name: around[name] + weight for name, weight in weights.items()} if around else weights


def plain_step(accumulator: Params, incoming: Params, base: Tensors, method: ContinualTiesMerging) -> Tensor:
    """The definition as it reads: join both vectors, trim by kthvalue, elect, add what agrees."""
    before = torch.cat([accumulator[name].flatten() for name in base])
    arrived = torch.cat([(incoming[name] - base[name]).flatten() for name in base])
    rows = torch.stack([before, arrived])
    kept = math.ceil(rows.shape[1] * method.threshold / 100)
    cutoffs = rows.abs().kthvalue(rows.shape[1] - kept + 1, dim=1, keepdim=True).values
    rows = rows * (rows.abs() >= cutoffs)
    signs = rows.sum(0).sign()
    signs[signs == 0] = rows.sum(dtype=torch.float64).sign().to(signs.dtype)
    agreeing = rows * torch.where(signs > 0, rows > 0, rows < 0)
    return before.add(agreeing.sum(0), alpha=method.scaling_factor)


def timed(function: Callable[[], T]) -> tuple[T, tuple[float, float]]:
    """The result, wall and processor time."""
    wall, processor = time.perf_counter(), time.process_time()
    result = function()
    return result, (time.perf_counter() - wall, time.process_time() - processor)


def compare(layers: int, width: int, repeats: int, executor: ThreadExecutor) -> None:
    """Print the medians of interleaved runs of the second step and their ratios.

    Raises:
        ValueError: if the results differ.
    """
    generator = torch.Generator().manual_seed(0)
    base = tower(layers, width, generator, 0.02)
    first, second = (tower(layers, width, generator, 1e-3, around=base) for _ in range(2))
    method, shared = ContinualTiesMerging(), Base(base, frozenset())
    state = method.merge_step(None, first, shared, executor.map)

    runs = []
    for _ in range(repeats):
        merged, ours = timed(lambda: method.merge_step(state, second, shared, executor.map))
        expected, plain = timed(lambda: plain_step(state.accumulator, second, base, method))
        if not torch.equal(torch.cat([merged.accumulator[name].flatten() for name in base]), expected):
            raise ValueError("the results of both steps differ")
        runs.append((ours, plain))
    print(f"{expected.numel()} entries, {executor.threads} threads, equal results")
    for index, clock in enumerate(("wall", "processor")):
        our_time, plain_time = (statistics.median(run[side][index] for run in runs) for side in (0, 1))
        ratio = statistics.median(run[1][index] / run[0][index] for run in runs)
        print(f"  {clock:<9}  plain {plain_time:7.2f} s   ours {our_time:7.2f} s   {ratio:5.2f}x faster")


def main() -> None:
    """Compare both on as many threads."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", type=int, default=12, help="layers of the tower (default: 12, CLIP-ViT-B)")
    parser.add_argument("--width", type=int, default=768, help="width of the tower (default: 768, CLIP-ViT-B)")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each kind (default: 3)")
    parser.add_argument("--threads", type=int, default=None, help="threads (default: every core)")
    options = parser.parse_args()
    executor = ThreadExecutor(options.threads)
    torch.set_num_threads(executor.threads)
    compare(options.layers, options.width, options.repeats, executor)


if __name__ == "__main__":
    main()
