"""What this machine can do: products, eigendecompositions, memory and disk, as rates; prints JSON.

Arithmetic is measured on one core with one BLAS thread, in seconds of the processor, so that what else the machine does
counts little; memory and disk are measured with all that is there. Medians.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypedDict

import torch

from fusion_bench.functional.products import product
from fusion_bench.utils.executors import available_cores, one_blas_thread
from fusion_bench.utils.ray_executor import RayExecutor

_MIB = 1 << 20


class Rates(TypedDict):
    """Flop/s of one core, seconds by size, bytes/s of the machine."""

    cores: int
    product_float32: float
    product_float64: float
    eigh: dict[str, float]  # seconds of torch.linalg.eigh in float64 on one core, by the number of rows
    memory: float
    disk_read: float
    disk_write: float
    ray_call: float  # seconds that a tensor's message to an actor and back takes; 0 where it was not measured


def median_seconds(
    function: Callable[[], object], repeats: int, clock: Callable[[], float] = time.perf_counter
) -> float:
    """Median of some calls after a first one that does not count."""
    taken = []
    for _ in range(repeats + 1):
        start = clock()
        function()
        taken.append(clock() - start)
    return statistics.median(taken[1:])


def product_rate(dtype: torch.dtype, repeats: int, size: int = 1536) -> float:
    """Flop/s of a product of square matrices, as merging computes it."""
    left, right = torch.randn(2, size, size, dtype=dtype)
    return 2 * size**3 / median_seconds(lambda: product(left, right), repeats, time.process_time)


def eigh_seconds(size: int, repeats: int) -> float:
    """Seconds of ``torch.linalg.eigh`` in float64."""
    root = torch.randn(size, size, dtype=torch.float64)
    matrix = root @ root.T
    return median_seconds(lambda: torch.linalg.eigh(matrix), repeats, time.process_time)


def memory_rate(cores: int, repeats: int) -> float:
    """Bytes/s read plus written when every core copies 256 MiB."""
    sources = [torch.ones(64 * _MIB) for _ in range(cores)]
    targets = [torch.empty_like(source) for source in sources]
    with ThreadPoolExecutor(cores, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        seconds = median_seconds(lambda: list(pool.map(torch.Tensor.copy_, targets, sources)), repeats)
    return 2 * cores * 256 * _MIB / seconds


def disk_rates(directory: Path, repeats: int) -> tuple[float, float]:
    """Bytes/s of reading a file that is not in memory, and of writing one and waiting until it is on disk."""
    data = os.urandom(_MIB) * 256
    reads, writes = [], []
    with tempfile.TemporaryDirectory(dir=directory) as place:
        for turn in range(repeats):
            path = Path(place) / str(turn)
            start = time.perf_counter()
            with path.open("wb") as file:
                file.write(data)
                os.fsync(file.fileno())
            writes.append(time.perf_counter() - start)
            with path.open("rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
                start = time.perf_counter()
                while file.read(8 * _MIB):
                    pass
                reads.append(time.perf_counter() - start)
    return len(data) / statistics.median(reads), len(data) / statistics.median(writes)


def ray_call_seconds(repeats: int, calls: int = 400) -> float:
    """Seconds of one call to an actor that does nothing, among many."""
    names = [str(number) for number in range(calls)]
    with RayExecutor(2) as executor:
        return median_seconds(lambda: executor.map(len, names), repeats) / calls


def measure(
    directory: Path, repeats: int = 5, sizes: tuple[int, ...] = (768, 1024, 2048), *, ray: bool = False
) -> Rates:
    """All rates, those of Ray if asked; ``directory`` is where files are read and written."""
    cores = available_cores()
    with one_blas_thread():
        products = {dtype: product_rate(dtype, repeats) for dtype in (torch.float32, torch.float64)}
        eigh = {str(size): eigh_seconds(size, max(1, repeats if size < 2000 else repeats // 2)) for size in sizes}
    read, write = disk_rates(directory, repeats)
    return {
        "cores": cores,
        "product_float32": products[torch.float32],
        "product_float64": products[torch.float64],
        "eigh": eigh,
        "memory": memory_rate(cores, repeats),
        "disk_read": read,
        "disk_write": write,
        "ray_call": ray_call_seconds(repeats) if ray else 0.0,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--directory", type=Path, default=Path(tempfile.gettempdir()), help="on the disk to measure")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--sizes", type=int, nargs="+", default=[768, 1024, 2048, 4096], help="rows of eigh")
    parser.add_argument("--ray", action="store_true", help="also measure a call to a Ray actor")
    options = parser.parse_args()
    found = measure(options.directory, options.repeats, tuple(options.sizes), ray=options.ray)
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
