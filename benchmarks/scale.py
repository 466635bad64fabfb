"""Whole OPCM runs on synthetic checkpoints with every executor and with plain code; prints Markdown tables.

Every run has a process of its own; the executors take turns, so that what else the machine does hits all of them.
"step" is the median of the steps that decompose something, in a run the median over its steps; "run" has loading and
saving in it, of a checkpoint and the state after every step. Memory is what belongs to the process that runs the
method above its imports (RssAnon, Linux only), in checkpoint sizes. The floors are those of ``floor.py``.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.floor import Shape, floor_of_step
from benchmarks.rates import Rates, measure
from benchmarks.scale_run import pool_of
from benchmarks.synthetic import write_suite
from fusion_bench.utils.executors import available_cores

Found = dict[str, float]
ROWS = ("naive", "serial", "threads", "offload", "ray:1", "ray")


def child(suite: Path, row: str, models: int, options: argparse.Namespace) -> Found:
    """One run in a process of its own; ``row`` is a kind, or a kind and its workers: ``ray:1``."""
    kind, _, workers = row.partition(":")
    command = [sys.executable, "-m", "benchmarks.scale_run", kind, str(suite), "--models", str(models)]
    command += ["--files", str(options.files), "--workers", workers or str(options.workers)]
    command += ["--keep-diagonal"] * options.keep_diagonal
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    print(f"  {row}, {models} models: {done.stdout.strip()}", file=sys.stderr, flush=True)
    found: Found = json.loads(done.stdout.splitlines()[-1])
    return found


def spread(values: Sequence[float]) -> str:
    """Median, and lowest to highest where there are several."""
    median = f"{statistics.median(values):.2f} s"
    return median if len(values) == 1 else f"{median} ({min(values):.2f} … {max(values):.2f})"


def shapes_of(suite: Path) -> tuple[list[Shape], float]:
    """Shapes of the weights of linear layers, and bytes of a checkpoint."""
    pool = pool_of(suite, 1, 1)
    base = pool.load_params("_pretrained_")
    shapes = [(base[name].shape[0], base[name].shape[1]) for name in pool.linear_weight_names()]
    return shapes, sum(tensor.nbytes for tensor in base.values())


def compare(suite: Path, size: str, rates: Rates, options: argparse.Namespace) -> str:
    """The table of executors."""
    found: dict[str, list[Found]] = {row: [] for row in options.rows}
    for turn in range(options.repeats):
        for row in options.rows:
            if row != "naive" or turn < options.naive_repeats:
                found[row].append(child(suite, row, options.models, options))
    naive = {key: statistics.median([run[key] for run in found["naive"]]) for key in ("step", "run")}
    shapes, checkpoint = shapes_of(suite)
    lines = [
        f"{size}, {options.models} models, {options.workers} workers, zero_diagonal={not options.keep_diagonal}\n",
        "| | step | run | naive/ours: step | run | floor/ours: algorithm | physical | peak memory | start-up |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row, runs in found.items():
        workers = {"serial": 1, "ray:1": 1}.get(row, options.workers)
        floor = floor_of_step(shapes, checkpoint, rates, workers=workers, cold=False)
        step, whole = ([run[key] for run in runs] for key in ("step", "run"))
        cells = [row, spread(step), spread(whole)]
        cells += [f"{naive['step'] / statistics.median(step):.1f}", f"{naive['run'] / statistics.median(whole):.1f}"]
        cells += [f"{share / statistics.median(step):.0%}" for share in (floor.algorithm, floor.physical)]
        cells += [
            f"{max(run['peak'] for run in runs):.2f}",
            f"{statistics.median([run['start'] for run in runs]):.1f} s",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def grow(suite: Path, row: str, options: argparse.Namespace) -> str:
    """Time per step and memory for each number of models."""
    lines = [f"{row}\n", "| T | step | last three steps | peak memory |", "|---:|---:|---:|---:|"]
    for models in options.grow:
        found = child(suite, row, models, options)
        lines.append(f"| {models} | {found['step']:.2f} s | {found['last']:.2f} s | {found['peak']:.2f} |")
    return "\n".join(lines)


def main() -> None:
    """Make the checkpoints and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", default=["base"], help="base, base16, large14 … (default: base, B/32)")
    parser.add_argument("--models", type=int, default=8, help="models of a run (default: 8)")
    parser.add_argument("--workers", type=int, default=available_cores(), help="threads or actors (default: all cores)")
    parser.add_argument(
        "--rows", nargs="*", default=ROWS, help=f"of the table (default: {' '.join(ROWS)}; naive first)"
    )
    parser.add_argument("--repeats", type=int, default=3, help="runs of each row (default: 3)")
    parser.add_argument("--naive-repeats", type=int, default=1, help="of them, of the plain code (default: 1)")
    parser.add_argument("--keep-diagonal", action="store_true", help="run with zero_diagonal=false")
    parser.add_argument("--grow", type=int, nargs="*", default=[], metavar="T", help="numbers of models to scale to")
    parser.add_argument("--grow-rows", nargs="+", default=["threads"], help="what to scale (default: threads)")
    parser.add_argument("--files", type=int, default=8, help="checkpoints that models take turns on (default: 8)")
    parser.add_argument("--suite", type=Path, help="directory to keep the checkpoints in (default: temporary)")
    options = parser.parse_args()
    if options.rows and options.rows[0] != "naive":
        options.rows = ["naive", *options.rows]
    with tempfile.TemporaryDirectory() as temporary:
        for size in options.sizes:
            suite = (options.suite or Path(temporary)) / size
            if not (suite / f"task_{options.files - 1}" / "model.safetensors").exists():
                write_suite(suite, options.files, size, scale=1e-3, seed=0)
            if options.rows:
                rates = measure(suite)
                print(f"rates: {json.dumps(rates)}", file=sys.stderr)
                print(compare(suite, size, rates, options) + "\n", flush=True)
            for row in options.grow_rows if options.grow else []:
                print(f"{size}, {grow(suite, row, options)}\n", flush=True)


if __name__ == "__main__":
    main()
