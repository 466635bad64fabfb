"""Peak memory of an OPCM run over T models, in checkpoint sizes, with a checkpoint and the state saved at every step.

Counted is the memory that belongs to the process (RssAnon of /proc/self/status) above what the imports take; pages of
memory-mapped checkpoints are the file system's. Each run has a process of its own. Linux only.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def anonymous_bytes() -> int:
    """Resident memory of this process that no file stands behind."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    raise OSError("/proc/self/status has no RssAnon line")


@contextmanager
def watched_peak(interval: float = 0.005) -> Iterator[list[int]]:
    """A list whose only entry follows the peak while the block runs."""
    peak, done = [anonymous_bytes()], threading.Event()

    def watch() -> None:
        while not done.wait(interval):
            peak[0] = max(peak[0], anonymous_bytes())

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield peak
    finally:
        done.set()
        watcher.join()


def run_once(suite: Path, models: int, evaluate_like: bool, without_files: bool) -> dict[str, float]:
    """Merge in this process and measure it."""
    import scipy.linalg  # noqa: F401  # imports count as imports
    from transformers import CLIPVisionModel  # noqa: F401

    from fusion_bench.callbacks.standard import standard_callbacks
    from fusion_bench.method.opcm.opcm import OPCM
    from fusion_bench.modelpool.clip_vision import CLIPVisionModelPool
    from fusion_bench.runtime import Callback, Runtime, StepEvent

    class Look(Callback):
        """Builds every merged model, as an evaluation does."""

        def on_step(self, event: StepEvent) -> None:
            """Build it."""
            assert event.model is not None

    names = ["_pretrained_", *(f"task_{index}" for index in range(models))]
    pool = CLIPVisionModelPool({name: str(suite / name) for name in names})
    method = OPCM(shuffle_order=False)
    before = anonymous_bytes()
    start = time.perf_counter()
    with tempfile.TemporaryDirectory(dir=suite) as log_dir, watched_peak() as peak:
        directory = None if without_files else Path(log_dir)
        callbacks = standard_callbacks(method, log_dir=directory)
        merged = method.run(
            pool, Runtime(log_dir=directory, callbacks=[*callbacks, *([Look()] if evaluate_like else [])])
        )
        assert merged is not None  # held until here
    checkpoint = (suite / "_pretrained_" / "model.safetensors").stat().st_size
    return {"peak": (peak[0] - before) / checkpoint, "seconds": time.perf_counter() - start}


def main() -> None:
    """Measure each number of models in a child process."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, nargs="+", default=[4, 8], help="numbers of models (default: 4 8)")
    parser.add_argument(
        "--size", choices=("base", "base16", "large14", "tiny"), default="base", help="see synthetic.py (default: base)"
    )
    parser.add_argument(
        "--suite", type=Path, help="directory to keep the synthetic checkpoints in (default: temporary)"
    )
    parser.add_argument("--build", action="store_true", help="also build the merged model at every step")
    parser.add_argument("--without-files", action="store_true", help="run without a log directory, as plain Python may")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(run_once(options.suite, options.models[0], options.build, options.without_files)))
        return
    with tempfile.TemporaryDirectory() as temporary:
        suite = options.suite or Path(temporary)
        if not (suite / f"task_{max(options.models) - 1}" / "model.safetensors").exists():
            script = Path(__file__).with_name("synthetic.py")
            count = str(max(options.models))
            subprocess.run([sys.executable, script, suite, "--models", count, "--size", options.size], check=True)
        for models in options.models:
            command = [sys.executable, __file__, "--child", "--suite", suite, "--models", str(models)]
            command += ["--build"] * options.build + ["--without-files"] * options.without_files
            child = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            result = json.loads(child.stdout.splitlines()[-1])
            print(f"T = {models}: peak {result['peak']:.2f} checkpoint sizes, {result['seconds']:.1f} s")


if __name__ == "__main__":
    main()
