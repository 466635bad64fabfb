"""Time of every way to project one weight, by shape, as a ratio to plain code in the same run; prints Markdown.

Plain is a float32 full SVD with the projection as it is defined. The ways: a thin SVD in float64; the Gram matrix with
torch's eigensolver; the same with LAPACK's own steps, which form the wanted eigenvectors only; and a stack of matrices
at a time. All on one thread, in seconds of the processor, or on the device given. Ratios above 1 are faster than plain;
the chosen way is in bold. With ``--threads`` also: the weights of two layers on N threads of one BLAS thread each
against one of N BLAS threads.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from benchmarks.opcm_step import Weight, plain_full_svd, random_weight, tower
from fusion_bench.functional.batched_subspace import project_out_stack
from fusion_bench.functional.eigensystem import TORCH, Solver
from fusion_bench.functional.subspace import project_out, split_rank
from fusion_bench.method.opcm.stacks import pays_to_stack
from fusion_bench.utils.executors import ThreadExecutor, one_blas_thread
from fusion_bench.utils.lapack import LAPACK

SHAPES = ("64x64", "128x512", "512x512", "768x768", "768x3072", "3072x768", "1024x1024", "1024x4096")
STACK = 4
Way = Callable[[Weight], object]


def thin_svd(weight: Weight, alpha: float, zero_diagonal: bool) -> Tensor:
    """The projection by a thin SVD in float64."""
    vector = weight.task_vector.double()
    u, s, vh = torch.linalg.svd(weight.accumulator.double(), full_matrices=False)
    rank = split_rank(s, alpha)
    p = u.T @ vector @ vh.T
    removed = torch.zeros_like(p)
    removed[:rank, :rank] = p[:rank, :rank]
    if zero_diagonal:
        removed.diagonal().copy_(p.diagonal())
    result: Tensor = (vector - u @ removed @ vh).to(weight.task_vector.dtype)
    return result


def ways(alpha: float, zero_diagonal: bool) -> dict[str, Way]:
    """Every way by its name in the table."""

    def gram(weight: Weight, solver: Solver) -> object:
        return project_out(*weight, alpha=alpha, zero_diagonal=zero_diagonal, solver=solver)

    def stack(weight: Weight) -> object:
        stacks = (torch.stack([tensor] * STACK) for tensor in weight)
        return project_out_stack(*stacks, alpha=alpha, zero_diagonal=zero_diagonal)

    return {
        "plain": lambda weight: plain_full_svd(*weight, alpha, zero_diagonal),
        "thin SVD": lambda weight: thin_svd(weight, alpha, zero_diagonal),
        "Gram, torch": lambda weight: gram(weight, TORCH),
        "Gram, LAPACK": lambda weight: gram(weight, LAPACK),
        f"stack of {STACK}": stack,
    }


def chosen(rows: int, columns: int, device: torch.device) -> str:
    """The way that a run takes by itself."""
    if pays_to_stack(device):
        return f"stack of {STACK}"
    return "Gram, torch" if min(rows, columns) < 128 else "Gram, LAPACK"


def seconds(way: Way, weight: Weight, repeats: int) -> float:
    """Seconds of one call: of the processor where it computes, else of the clock, the accelerator's work included."""
    clock = time.perf_counter if weight.accumulator.is_cuda else time.process_time
    start = clock()
    for _ in range(repeats):
        way(weight)
    if weight.accumulator.is_cuda:
        torch.cuda.synchronize()
    return (clock() - start) / repeats


def table(shapes: Sequence[str], alpha: float, zero_diagonal: bool, rounds: int, device: torch.device) -> str:
    """A row a shape; medians of rounds in which all ways take turns."""
    found = ways(alpha, zero_diagonal)
    rows = [f"| shape | {' | '.join(['plain, ms', *list(found)[1:]])} |", "|---|" + "---:|" * len(found)]
    for shape in shapes:
        height, width = (int(size) for size in shape.split("x"))
        weight = Weight(*(t.to(device) for t in random_weight(height, width, torch.Generator().manual_seed(0))))
        repeats = max(1, (1 << 18) // (height * width))
        taken: dict[str, list[float]] = {name: [] for name in found}
        for _ in range(rounds + 1):
            for name, way in found.items():
                taken[name].append(seconds(way, weight, repeats) / (STACK if name.startswith("stack") else 1))
        median = {name: statistics.median(times[1:]) for name, times in taken.items()}  # the first round warms up
        cells = [f"{1e3 * median['plain']:.1f}"]
        for name in list(found)[1:]:
            ratio = f"{median['plain'] / median[name]:.1f}"
            cells.append(f"**{ratio}**" if name == chosen(height, width, device) else ratio)
        rows.append(f"| {shape} | {' | '.join(cells)} |")
    return "\n".join(rows)


def compare_threads(threads: int, rounds: int) -> str:
    """Seconds for two layers of CLIP-ViT-B: N weights at a time on one BLAS thread each, and one on N BLAS threads."""
    weights = tower(2, 768, torch.Generator().manual_seed(0))

    def project(name: str) -> object:
        return project_out(*weights[name], alpha=0.5, solver=LAPACK)

    many, one = [], []
    for _ in range(rounds + 1):
        start = time.perf_counter()
        ThreadExecutor(threads).map(project, list(weights))
        middle = time.perf_counter()
        torch.set_num_threads(threads)
        for name in weights:
            project(name)
        many.append(middle - start)
        one.append(time.perf_counter() - middle)
    wide, deep = statistics.median(many[1:]), statistics.median(one[1:])
    return (
        f"{threads} weights at a time, one BLAS thread each: {wide:.2f} s; one at a time, {threads} BLAS threads: "
        f"{deep:.2f} s; ratio {deep / wide:.2f}"
    )


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shapes", nargs="+", default=SHAPES, metavar="ROWSxCOLUMNS")
    parser.add_argument("--alpha", type=float, default=0.5, help="protected share (default: 0.5)")
    parser.add_argument("--rounds", type=int, default=5, help="times that the ways take turns (default: 5)")
    parser.add_argument("--device", type=torch.device, default=torch.device("cpu"), help="default: cpu")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="default: every core; 0 skips that part")
    options = parser.parse_args()
    for zero_diagonal in (True, False):
        print(f"zero_diagonal={str(zero_diagonal).lower()}, alpha {options.alpha}, {options.device}\n")
        with one_blas_thread():
            print(table(options.shapes, options.alpha, zero_diagonal, options.rounds, options.device) + "\n")
    if options.threads and options.device.type == "cpu":
        print(compare_threads(options.threads, options.rounds))


if __name__ == "__main__":
    main()
