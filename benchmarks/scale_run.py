"""One run of ``scale.py`` in a process of its own: merge, and measure time and memory; prints JSON."""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from benchmarks.memory import anonymous_bytes, watched_peak
from benchmarks.opcm_step import plain_full_svd
from fusion_bench.callbacks.checkpoint import model_name
from fusion_bench.runtime import Callback, Runtime, StepEvent
from fusion_bench.utils.executors import Executor, SerialExecutor, ThreadExecutor
from fusion_bench.utils.ray_executor import RayExecutor

KINDS = ("serial", "threads", "offload", "ray", "naive")


class Watch(Callback):
    """Keeps the seconds of each step, and of the checkpoints only the latest."""

    def __init__(self, runtime: Runtime, checkpoints: Path) -> None:
        self.runtime, self.checkpoints = runtime, checkpoints
        self.ends: list[float] = []

    def on_step(self, event: StepEvent) -> None:
        """After a step."""
        self.ends.append(self.runtime.profile.seconds["merging"])
        shutil.rmtree(self.checkpoints / model_name(event.index - 1), ignore_errors=True)

    @property
    def steps(self) -> list[float]:
        """Seconds of each step after the first, which has nothing to decompose."""
        return [end - start for start, end in zip(self.ends, self.ends[1:], strict=False)]


def executor_of(kind: str, workers: int) -> Executor:
    """The executor that a row of the table is about."""
    if kind == "serial":
        return SerialExecutor()
    return RayExecutor(workers) if kind == "ray" else ThreadExecutor(workers)


def pool_of(suite: Path, models: int, files: int) -> Any:
    """``models`` models, which take turns on ``files`` checkpoints."""
    from fusion_bench.modelpool.clip_vision import CLIPVisionModelPool

    tasks = {f"model_{index}": str(suite / f"task_{index % files}") for index in range(models)}
    return CLIPVisionModelPool({"_pretrained_": str(suite / "_pretrained_"), **tasks})


def ours(suite: Path, models: int, files: int, kind: str, workers: int, zero_diagonal: bool) -> dict[str, float]:
    """A run of the library: loading, merging, a checkpoint and the state saved at every step."""
    import scipy.linalg  # noqa: F401  # imports count as imports
    from transformers import CLIPVisionModel  # noqa: F401

    from fusion_bench.callbacks.standard import standard_callbacks
    from fusion_bench.method.opcm.opcm import OPCM

    pool = pool_of(suite, models, files)
    with tempfile.TemporaryDirectory(dir=suite) as log_dir:
        offload = f"{log_dir}/offload" if kind == "offload" else None
        method = OPCM(shuffle_order=False, offload_dir=offload, zero_diagonal=zero_diagonal)
        with executor_of(kind, workers) as executor:
            start = time.perf_counter()
            executor.map(len, ["start"])
            started, before = time.perf_counter(), anonymous_bytes()
            callbacks = standard_callbacks(method, log_dir=Path(log_dir))
            runtime = Runtime(log_dir=Path(log_dir), executor=executor, callbacks=callbacks)
            watch = Watch(runtime, Path(log_dir) / "checkpoints")
            callbacks.append(watch)
            with watched_peak() as peak:
                method.run(pool, runtime)
            end = time.perf_counter()
    checkpoint = (suite / "_pretrained_" / "model.safetensors").stat().st_size
    return {
        "start": started - start,
        "run": end - started,
        "step": statistics.median(watch.steps),
        "last": statistics.median(watch.steps[-3:]),
        "peak": (peak[0] - before) / checkpoint,
    }


def naive(suite: Path, models: int, files: int, workers: int, zero_diagonal: bool) -> dict[str, float]:
    """A run as one would write it: models in memory, a float32 full SVD a weight, threads left to torch."""
    from safetensors.torch import load_file, save_file

    torch.set_num_threads(workers)
    pool = pool_of(suite, models, files)
    linear = {f"vision_model.{name}" for name in pool.linear_weight_names()} | set(pool.linear_weight_names())
    steps, norms = [], []
    merged: dict[str, torch.Tensor] = {}
    begin, before = time.perf_counter(), anonymous_bytes()
    with tempfile.TemporaryDirectory(dir=suite) as place, watched_peak() as peak:
        base = load_file(suite / "_pretrained_" / "model.safetensors")
        for name in pool.model_names:
            tuned = load_file(Path(pool.get_model_path(name)) / "model.safetensors")
            start = time.perf_counter()
            vectors = {key: tuned[key] - base[key] for key in base}
            for key, vector in vectors.items():
                if key not in merged:
                    merged[key] = vector.clone()
                elif key in linear:
                    merged[key] += plain_full_svd(merged[key], vector, 0.5, zero_diagonal)
                else:
                    merged[key] += vector
            norms.append(sum(float(vector.square().sum()) for vector in vectors.values()) ** 0.5)
            norm = sum(float(tensor.square().sum()) for tensor in merged.values()) ** 0.5
            divisor = norm / statistics.fmean(norms)
            steps.append(time.perf_counter() - start)
            save_file({key: base[key] + merged[key] / divisor for key in base}, f"{place}/model.safetensors")
    checkpoint = (suite / "_pretrained_" / "model.safetensors").stat().st_size
    return {
        "start": 0.0,
        "run": time.perf_counter() - begin,
        "step": statistics.median(steps[1:]),
        "last": statistics.median(steps[-3:]),
        "peak": (peak[0] - before) / checkpoint,
    }


def main() -> None:
    """Run once."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("suite", type=Path, help="checkpoints as synthetic.py writes them")
    parser.add_argument("--models", type=int, default=8)
    parser.add_argument("--files", type=int, default=4, help="checkpoints that the models take turns on")
    parser.add_argument("--workers", type=int, default=2, help="threads or actors")
    parser.add_argument("--keep-diagonal", action="store_true", help="zero_diagonal=false")
    options = parser.parse_args()
    common = (options.suite, options.models, options.files)
    if options.kind == "naive":
        found = naive(*common, options.workers, not options.keep_diagonal)
    else:
        found = ours(*common, options.kind, options.workers, not options.keep_diagonal)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
