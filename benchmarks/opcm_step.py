"""Time one OPCM step at the sizes of a CLIP vision tower against a plain float32 full SVD.

Both run in this process on the same number of threads, in turn, so that what else the machine does hits both; medians
are reported. The plain one is a loop over the weights that leaves threading to torch, as one would write it; it is
also timed with the library's way of threading, one weight a thread. Accuracy is the distance to a float64 full SVD
relative to the task vector.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from fusion_bench.functional.eigensystem import Eigensystem, Solver
from fusion_bench.functional.subspace import project_out
from fusion_bench.utils.executors import ThreadExecutor
from fusion_bench.utils.lapack import LAPACK

Project = Callable[[Tensor, Tensor], Tensor]
Run = Callable[[Callable[[str], Tensor], list[str]], dict[str, Tensor]]


class Weight(NamedTuple):
    """What was merged so far and the next task vector, of one shape."""

    accumulator: Tensor
    task_vector: Tensor


def plain_full_svd(accumulator: Tensor, task_vector: Tensor, alpha: float, zero_diagonal: bool) -> Tensor:
    """The definition as it reads: full U and V, P = Uᵀ τ V with its entries set to zero, and back."""
    u, s, vh = torch.linalg.svd(accumulator, full_matrices=True)
    rank = int((s.cumsum(0) <= alpha * s.sum()).sum())
    p = u.T @ task_vector @ vh.T
    p[:rank, :rank] = 0
    if zero_diagonal:
        p.fill_diagonal_(0)
    projected: Tensor = u @ p @ vh
    return projected


def random_weight(rows: int, columns: int, generator: torch.Generator) -> Weight:
    """Three accumulated task vectors and a fourth, each with singular values that fall like 1/√i."""
    size = min(rows, columns)
    scale = 1e-3 / torch.arange(1, size + 1).sqrt()

    def task_vector() -> Tensor:
        left = torch.randn(rows, size, generator=generator) * scale
        vector: Tensor = left @ torch.randn(size, columns, generator=generator) / size**0.5
        return vector

    return Weight(task_vector() + task_vector() + task_vector(), task_vector())


def tower(layers: int, width: int, generator: torch.Generator) -> dict[str, Weight]:
    """The weights of the linear layers of a vision tower: four square ones and the two of the MLP in every layer."""
    shapes = dict.fromkeys(("q_proj", "k_proj", "v_proj", "out_proj"), (width, width))
    shapes |= {"fc1": (4 * width, width), "fc2": (width, 4 * width)}
    return {
        f"{layer}.{name}": random_weight(*shape, generator) for layer in range(layers) for name, shape in shapes.items()
    }


def in_turn(function: Callable[[str], Tensor], names: list[str]) -> dict[str, Tensor]:
    """One name after the other, with the threads that torch itself uses."""
    return {name: function(name) for name in names}


def seconds(project: Project, weights: dict[str, Weight], run: Run) -> tuple[float, float]:
    """Wall and processor time of one step."""
    wall, processor = time.perf_counter(), time.process_time()
    run(lambda name: project(*weights[name]), list(weights))
    return time.perf_counter() - wall, time.process_time() - processor


def compare_time(ours: Project, plain: Project, weights: dict[str, Weight], repeats: int, threads: int) -> None:
    """Print the medians of interleaved runs and their ratios."""
    runners: dict[str, tuple[Project, Run]] = {
        "ours": (ours, ThreadExecutor(threads).map),
        "plain loop": (plain, in_turn),
        "plain, one weight a thread": (plain, ThreadExecutor(threads).map),
    }
    torch.set_num_threads(threads)
    seconds(ours, dict(list(weights.items())[:2]), ThreadExecutor(threads).map)  # loads the libraries
    runs = [{name: seconds(project, weights, run) for name, (project, run) in runners.items()} for _ in range(repeats)]
    for name in runners:
        wall, processor = (statistics.median(run[name][clock] for run in runs) for clock in (0, 1))
        ratios = (statistics.median(run[name][clock] / run["ours"][clock] for run in runs) for clock in (0, 1))
        ratio = "" if name == "ours" else "   ours is {:.2f}x and {:.2f}x faster".format(*ratios)
        print(f"  {name:<26}  wall {wall:6.2f} s   processor {processor:6.2f} s{ratio}")


def compare_accuracy(ours: Project, plain: Project, weights: dict[str, Weight]) -> None:
    """Print the relative errors of both on the weights of the first layer."""
    for name, weight in [(name, weight) for name, weight in weights.items() if name in ("0.q_proj", "0.fc1", "0.fc2")]:
        exact = plain(weight.accumulator.double(), weight.task_vector.double())
        errors = [
            float((project(*weight).double() - exact).norm() / weight.task_vector.double().norm())
            for project in (plain, ours)
        ]
        print(f"  {name:<9}  error of plain {errors[0]:.1e}   of ours {errors[1]:.1e}")


def print_shares(weights: dict[str, Weight], alpha: float, zero_diagonal: bool) -> None:
    """Print where the time of one layer's weights goes, measured one after the other on one thread."""
    spent = {"Gram matrix": 0.0, "eigensystem": 0.0, "products": 0.0}
    last = time.process_time()

    def lap(phase: str) -> None:
        nonlocal last
        now = time.process_time()
        spent[phase] += now - last
        last = now

    def solve(matrix_: Tensor, leading: bool) -> Eigensystem:
        lap("Gram matrix")
        system = LAPACK.solve(matrix_, leading)
        lap("eigensystem")

        def vectors(first: int, end: int, dtype: torch.dtype) -> Tensor:
            lap("products")
            result = system.vectors(first, end, dtype)
            lap("eigensystem")
            return result

        return Eigensystem(system.values, vectors)

    solver = Solver(LAPACK.gram, solve)

    def layer(name: str) -> None:
        nonlocal last
        for weight in (weight for key, weight in weights.items() if key.startswith("0.")):
            last = time.process_time()
            project_out(*weight, alpha=alpha, zero_diagonal=zero_diagonal, solver=solver)
            lap("products")

    ThreadExecutor(1).map(layer, ["0"])
    total = sum(spent.values())
    print("  shares of our time  " + "   ".join(f"{phase} {time / total:.0%}" for phase, time in spent.items()))


def project(weight: Weight, alpha: float, zero_diagonal: bool) -> Tensor:
    """The library's projection as the method calls it."""
    return project_out(*weight, alpha=alpha, zero_diagonal=zero_diagonal, solver=LAPACK)[0]


def main() -> None:
    """Run the comparison with and without removing the diagonal."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", type=int, default=12, help="layers of the tower (default: 12, CLIP-ViT-B)")
    parser.add_argument("--width", type=int, default=768, help="width of the tower (default: 768, CLIP-ViT-B)")
    parser.add_argument("--alpha", type=float, default=0.5, help="protected share (default: 0.5)")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each kind (default: 3)")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="threads (default: every core)")
    options = parser.parse_args()
    weights = tower(options.layers, options.width, torch.Generator().manual_seed(0))
    for zero_diagonal in (True, False):
        print(f"{len(weights)} weights, alpha {options.alpha}, zero_diagonal={str(zero_diagonal).lower()}")

        def ours(accumulator: Tensor, vector: Tensor, zero_diagonal: bool = zero_diagonal) -> Tensor:
            return project(Weight(accumulator, vector), options.alpha, zero_diagonal)

        def plain(accumulator: Tensor, vector: Tensor, zero_diagonal: bool = zero_diagonal) -> Tensor:
            return plain_full_svd(accumulator, vector, options.alpha, zero_diagonal)

        compare_time(ours, plain, weights, options.repeats, options.threads)
        compare_accuracy(ours, plain, weights)
        print_shares(weights, options.alpha, zero_diagonal)


if __name__ == "__main__":
    main()
