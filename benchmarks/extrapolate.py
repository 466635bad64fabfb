"""What OPCM over many 7B models takes on a cluster, derived from the rates of one machine; prints Markdown.

``python -m benchmarks.rates --ray > rates.json`` measures the rates, ``python -m benchmarks.scale`` the share of its
floor that a real step reaches. Everything else is arithmetic, which the output shows; the tensors are spread over the
actors by the function that a run uses.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.floor import Shape, eigh_seconds, product_flops
from benchmarks.rates import Rates
from fusion_bench.utils.executors import balanced

WIDTH, INNER, LAYERS, VOCABULARY = 4096, 11008, 32, 32000
_WORK = 4.5  # float32 copies of the largest weight that an actor computes with, as measured on 768 x 3072


def weights_7b() -> dict[str, Shape]:
    """The weights of linear layers of a decoder of 7 billion parameters (the sizes of LLaMA 7B)."""
    shapes: dict[str, Shape] = {}
    for layer in range(LAYERS):
        shapes |= {f"{layer}.{name}": (WIDTH, WIDTH) for name in ("q", "k", "v", "o")}
        shapes |= {f"{layer}.{name}": (INNER, WIDTH) for name in ("gate", "up")}
        shapes[f"{layer}.down"] = (WIDTH, INNER)
    return {**shapes, "lm_head": (VOCABULARY, WIDTH)}


def others_7b() -> dict[str, Shape]:
    """Its other tensors, which are only added."""
    norms: dict[str, Shape] = {f"{layer}.norm{place}": (1, WIDTH) for layer in range(LAYERS) for place in (1, 2)}
    return {"embed_tokens": (VOCABULARY, WIDTH), **norms, "norm": (1, WIDTH)}


def weight_seconds(shape: Shape, rates: Rates, share: float) -> tuple[float, float]:
    """Seconds of one core for the products and for the eigensystem of a weight."""
    single, double = product_flops(shape)
    products = single / rates["product_float32"] + double / rates["product_float64"]
    return products / share, eigh_seconds(min(shape), rates) / share


def per_shape(weights: dict[str, Shape], rates: Rates, share: float) -> list[str]:
    """A table with a row for each shape."""
    rows = ["| weights | shape | products, each | eigensystem, each | all, core-hours |", "|---:|---|---:|---:|---:|"]
    for shape in dict.fromkeys(weights.values()):
        count = list(weights.values()).count(shape)
        products, eigensystem = weight_seconds(shape, rates, share)
        total = count * (products + eigensystem) / 3600
        rows.append(f"| {count} | {shape[0]} × {shape[1]} | {products:.1f} s | {eigensystem:.1f} s | {total:.2f} |")
    return rows


class Step(NamedTuple):
    """Seconds of one step on the cluster, part by part."""

    computing: float  # of the actor that has the most to do
    reading: float
    memory: float
    writing: float
    messages: float

    @property
    def moving(self) -> float:
        """All but the decompositions, which the first step does without."""
        return self.reading + self.memory + self.writing + self.messages


def step_of(loads: Sequence[float], rates: Rates, nodes: int) -> Step:
    """A step of actors with these seconds of work each, on nodes that move bytes at the measured rates."""
    checkpoint, state, tensors = sizes_7b()
    return Step(
        computing=max(loads),
        reading=checkpoint / nodes / rates["disk_read"],
        memory=(2 * checkpoint + 2 * state) / nodes / rates["memory"],
        writing=(checkpoint + state) / nodes / rates["disk_write"],
        messages=2 * tensors * rates["ray_call"],
    )


def sizes_7b() -> tuple[float, float, int]:
    """Bytes of a checkpoint in bfloat16 and of the accumulator in float32, and the number of tensors."""
    shapes = [*weights_7b().values(), *others_7b().values()]
    numbers = sum(math.prod(shape) for shape in shapes)
    return 2.0 * numbers, 4.0 * numbers, len(shapes)


def spread_work(rates: Rates, share: float, actors: int) -> list[float]:
    """Seconds of work in a step for each actor, spread as a run spreads them."""
    costs = {name: sum(weight_seconds(shape, rates, share)) for name, shape in weights_7b().items()}
    loads = [0.0] * actors
    for name, owner in balanced(costs, actors).items():
        loads[owner] += costs[name]
    return loads


def step_lines(step: Step, rates: Rates, nodes: int) -> list[str]:
    """The parts of a step but computing, each with the numbers it comes from."""
    checkpoint, state, tensors = sizes_7b()
    read, write = (f"{rate / 1e9:.2f} GB/s" for rate in (rates["disk_read"], rates["disk_write"]))
    return [
        f"- **Reading.** {_gb(checkpoint)} / {nodes} / {read} = {step.reading:.1f} s. A run has the next model read "
        "while it merges; the sum does not count on it.",
        f"- **Memory traffic.** The base, the model and the accumulator twice: {_gb(2 * checkpoint + 2 * state)} / "
        f"{nodes} / {rates['memory'] / 1e9:.1f} GB/s = {step.memory:.1f} s.",
        f"- **Writing.** The state and the checkpoint: {_gb(checkpoint + state)} / {nodes} / {write} = "
        f"{step.writing:.1f} s.",
        f"- **Messages.** Two a tensor: {2 * tensors} × {1e3 * rates['ray_call']:.2f} ms = {step.messages:.1f} s.",
    ]


def derive(rates: Rates, *, share: float, nodes: int, cores: int, tasks: int) -> list[str]:
    """The derivation, line by line."""
    checkpoint, state, tensors = sizes_7b()
    actors = nodes * cores
    loads = spread_work(rates, share, actors)
    step, even = step_of(loads, rates, nodes), sum(loads) / actors
    seconds = step.computing + step.moving
    total = (tasks - 1) * seconds + step.moving
    work = _WORK * 4 * max(math.prod(shape) for shape in weights_7b().values())
    return [
        f"- **Model.** {tensors} tensors, {len(weights_7b())} of them weights of linear layers, {checkpoint / 2e9:.2f} "
        f"billion numbers: a checkpoint in bfloat16 has {_gb(checkpoint)}, the accumulator in float32 {_gb(state)}.",
        f"- **Cluster.** {nodes} nodes of {cores} cores like those measured: {actors} actors.",
        f"- **Computing.** {sum(loads) / 3600:.1f} core-hours, {even:.0f} s if spread evenly. Tensors are not divided: "
        f"the actor with the most to do has {step.computing:.0f} s: {even / step.computing:.0%} of the cores' "
        "time is used.",
        *step_lines(step, rates, nodes),
        f"- **A step.** {step.computing:.0f} s of computing, {step.moving:.1f} s of the rest: **{seconds:.0f} s**.",
        f"- **{tasks} tasks.** {tasks - 1} steps, and a first one without decompositions: "
        f"**{total / 3600:.1f} hours**, {total * actors / 3600:.0f} core-hours.",
        f"- **Memory.** About {_WORK} float32 copies of the largest weight an actor, {_gb(work)}, or "
        f"{_gb(cores * work)} a node, whatever the number of tasks.",
        f"- **Storage.** {tasks} checkpoints are {tasks * checkpoint / 1e12:.1f} TB; keeping every merged model takes "
        "the same again.",
    ]


def _gb(size: float) -> str:
    return f"{size / 1e9:.1f} GB"


def rate_rows(rates: Rates, share: float) -> list[str]:
    """What goes in."""
    eigh = ", ".join(f"{rows}: {seconds:.3g} s" for rows, seconds in rates["eigh"].items())
    return [
        "| Measured | |",
        "|---|---|",
        f"| products on one core | float32 {rates['product_float32'] / 1e9:.0f} GFlop/s, "
        f"float64 {rates['product_float64'] / 1e9:.0f} GFlop/s |",
        f"| float64 eigensystem on one core, by rows | {eigh} |",
        f"| memory | {rates['memory'] / 1e9:.1f} GB/s |",
        f"| disk | {rates['disk_read'] / 1e9:.2f} GB/s read, {rates['disk_write'] / 1e9:.2f} GB/s written and synced |",
        f"| a call to an actor | {1e3 * rates['ray_call']:.2f} ms |",
        f"| share of the floor that a step reaches | {share:.0%} |",
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the derivation."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rates", type=Path, help="JSON as benchmarks.rates prints it")
    parser.add_argument("--share", type=float, required=True, help="floor/ours of benchmarks.scale, in (0, 2]")
    parser.add_argument("--note", default="", help="a sentence on where the rates come from, to stand first")
    parser.add_argument("--nodes", type=int, default=64)
    parser.add_argument("--cores", type=int, help="of a node (default: those of the rates)")
    parser.add_argument("--tasks", type=int, default=1000)
    options = parser.parse_args(arguments)
    rates: Rates = json.loads(options.rates.read_text(encoding="utf-8"))
    cores = options.cores or rates["cores"]
    lines = [f"{options.note}\n"] if options.note else []
    lines += [*rate_rows(rates, options.share), "", *per_shape(weights_7b(), rates, options.share), ""]
    lines += derive(rates, share=options.share, nodes=options.nodes, cores=cores, tasks=options.tasks)
    print("\n".join(lines))


if __name__ == "__main__":
    main()
