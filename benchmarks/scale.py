"""Whole OPCM runs on synthetic checkpoints with every executor, and how time per step and memory grow with T.

Every run has a process of its own; the executors take turns, so that what else the machine does hits all of them.
Counted is the memory that belongs to the process above its imports (RssAnon, Linux only), as in ``memory.py``. The
floor is the time that the machine itself needs for one step: reading the checkpoint, and the Gram products and
eigendecompositions of the weights of linear layers, each as measured here on one core and divided by the cores.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks.memory import anonymous_bytes, watched_peak
from benchmarks.opcm_step import plain_full_svd
from benchmarks.synthetic import write_suite
from fusion_bench.utils.executors import Executor, SerialExecutor, ThreadExecutor, available_cores, one_blas_thread
from fusion_bench.utils.ray_executor import RayExecutor

KINDS = ("serial", "threads", "offload", "ray")


def executor_of(kind: str, workers: int) -> Executor:
    """The executor that a row of the table is about."""
    if kind == "serial":
        return SerialExecutor()
    return RayExecutor(workers) if kind == "ray" else ThreadExecutor(workers)


def run_once(suite: Path, models: int, kind: str, workers: int) -> dict[str, float]:
    """Merge in this process: seconds of the whole run and of a step, start-up of Ray, peak in checkpoint sizes."""
    import scipy.linalg  # noqa: F401  # imports count as imports
    from transformers import CLIPVisionModel  # noqa: F401

    from fusion_bench.callbacks.standard import standard_callbacks
    from fusion_bench.method.opcm.opcm import OPCM
    from fusion_bench.modelpool.clip_vision import CLIPVisionModelPool
    from fusion_bench.runtime import Runtime

    names = ["_pretrained_", *(f"task_{index}" for index in range(models))]
    pool = CLIPVisionModelPool({name: str(suite / name) for name in names})
    with tempfile.TemporaryDirectory(dir=suite) as log_dir:
        method = OPCM(shuffle_order=False, offload_dir=f"{log_dir}/offload" if kind == "offload" else None)
        executor = executor_of(kind, workers)
        with executor:
            start = time.perf_counter()
            executor.map(len, ["start"])
            started, before = time.perf_counter(), anonymous_bytes()
            runtime = Runtime(
                log_dir=Path(log_dir), executor=executor, callbacks=standard_callbacks(method, log_dir=Path(log_dir))
            )
            with watched_peak() as peak:
                method.run(pool, runtime)
            end = time.perf_counter()
    checkpoint = (suite / "_pretrained_" / "model.safetensors").stat().st_size
    merging = runtime.profile.seconds["merging"] / models
    return {
        "start": started - start,
        "run": end - started,
        "step": merging,
        "peak": (peak[0] - before) / checkpoint,
    }


def naive_step(suite: Path) -> float:
    """Seconds of one step that takes a float32 full SVD of every weight, threads left to torch."""
    from fusion_bench.modelpool.clip_vision import CLIPVisionModelPool

    pool = CLIPVisionModelPool({name: str(suite / name) for name in ("_pretrained_", "task_0", "task_1")})
    base, first, second = (pool.load_params(name) for name in ("_pretrained_", "task_0", "task_1"))
    start = time.perf_counter()
    for name in pool.linear_weight_names():
        plain_full_svd(first[name] - base[name], second[name] - base[name], 0.5, True)
    return time.perf_counter() - start


def floor_of_step(suite: Path, cores: int) -> float:
    """Seconds that reading a checkpoint and the algorithm's decompositions and Gram products take at least."""
    from fusion_bench.modelpool.clip_vision import CLIPVisionModelPool

    pool = CLIPVisionModelPool({"_pretrained_": str(suite / "_pretrained_")})
    base = pool.load_params("_pretrained_")
    shapes = [(min(base[name].shape), max(base[name].shape)) for name in pool.linear_weight_names()]
    seconds = {}
    with one_blas_thread():
        for rows, columns in dict.fromkeys(shapes):
            weight = torch.randn(rows, columns, dtype=torch.float64)
            start = time.perf_counter()
            torch.linalg.eigh(weight @ weight.T)
            seconds[rows, columns] = time.perf_counter() - start
    start = time.perf_counter()
    (suite / "task_0" / "model.safetensors").read_bytes()
    reading = time.perf_counter() - start
    return reading + sum(seconds[shape] for shape in shapes) / cores


def child(suite: Path, models: int, kind: str, workers: int) -> dict[str, float]:
    """One run in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.scale", "--child", kind, "--suite", str(suite)]
    command += ["--models", str(models), "--workers", str(workers)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def spread(values: Sequence[float]) -> str:
    """Median, and lowest to highest."""
    return f"{statistics.median(values):8.2f} s ({min(values):.2f} … {max(values):.2f})"


def compare(suite: Path, size: str, models: int, workers: int, repeats: int) -> None:
    """Print the table of executors."""
    rounds = [
        ({kind: child(suite, models, kind, workers) for kind in KINDS}, naive_step(suite)) for _ in range(repeats)
    ]
    naive = [seconds for _, seconds in rounds]
    floor = floor_of_step(suite, workers)
    print(f"{size}, {models} models, {workers} workers; floor of a step {floor:.2f} s; naive step {spread(naive)}")
    for kind in KINDS:
        runs = [found[kind] for found, _ in rounds]
        step = [run["step"] for run in runs]
        print(
            f"  {kind:<8} step {spread(step)}   run {spread([run['run'] for run in runs])}"
            f"   naive/ours {statistics.median(naive) / statistics.median(step):5.2f}"
            f"   floor/ours {floor / statistics.median(step):5.2f}"
            f"   peak {max(run['peak'] for run in runs):5.2f}"
            f"   start {statistics.median([run['start'] for run in runs]):.1f} s"
        )


def grow(suite: Path, counts: Sequence[int], kind: str, workers: int) -> None:
    """Print time per step and memory for each number of models."""
    for models in counts:
        found = child(suite, models, kind, workers)
        print(f"  T = {models:<3} {kind}: step {found['step']:.3f} s, peak {found['peak']:.2f} checkpoint sizes")


def main() -> None:
    """Make the checkpoints and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", default=["base"], help="see synthetic.py (default: base, CLIP-ViT-B/32)")
    parser.add_argument("--models", type=int, default=8, help="models of a run (default: 8)")
    parser.add_argument(
        "--workers", type=int, default=available_cores(), help="threads or actors (default: every core)"
    )
    parser.add_argument("--repeats", type=int, default=3, help="runs of each kind (default: 3)")
    parser.add_argument(
        "--grow", type=int, nargs="*", default=[2, 4, 8, 16, 32, 64], help="numbers of models to scale to"
    )
    parser.add_argument("--suite", type=Path, help="directory to keep the checkpoints in (default: temporary)")
    parser.add_argument("--child", choices=KINDS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(run_once(options.suite, options.models, options.child, options.workers)))
        return
    with tempfile.TemporaryDirectory() as temporary:
        for size in options.sizes:
            suite = (options.suite or Path(temporary)) / size
            count = max([options.models, *options.grow])
            if not (suite / f"task_{count - 1}" / "model.safetensors").exists():
                write_suite(suite, count, size, scale=1e-3, seed=0)
            compare(suite, size, options.models, options.workers, options.repeats)
            grow(suite, options.grow, "threads", options.workers)


if __name__ == "__main__":
    main()
