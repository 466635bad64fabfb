"""Networks trained from different initialisations on halves of the classes, merged in every way of the family.

    python examples/mudsc/class_halves.py --data tiny8/mnist --seeds 5

prints one row a method: mean and standard deviation over the seeds.
"""

from __future__ import annotations

import argparse
import copy
import logging
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from training import SCALE, described, grey, halves, pictures, train

from fusion_bench.method.aligned import AlignedAlgorithm
from fusion_bench.method.mudsc import (
    ActivationAlign,
    ActivationZip,
    MuDSCAlign,
    MuDSCZip,
    PlainAverage,
    WeightAlign,
    WeightZip,
)
from fusion_bench.modelpool import ImageClassificationModelPool
from fusion_bench.models.batch_norm import reestimate_
from fusion_bench.report import EvalReport
from fusion_bench.runtime import Runtime
from fusion_bench.taskpool import ImageClassificationTaskPool
from fusion_bench.utils.files import read_json, write_json

FIXED: dict[str, Callable[[], AlignedAlgorithm]] = {
    "average": PlainAverage,
    "weight align": WeightAlign,
    "activation align": ActivationAlign,
    "MuDSC-Align 0.5": MuDSCAlign,
    "weight zip": WeightZip,
    "activation zip": ActivationZip,
    "MuDSC-Zip 0.5": MuDSCZip,
}
CHOSEN = {
    "MuDSC-Align *, labels": (MuDSCAlign, "labels"),
    "MuDSC-Zip *, labels": (MuDSCZip, "labels"),
    "MuDSC-Zip *, no labels": (MuDSCZip, "no labels"),
}
COLUMNS = {"joint before": "before", "joint": "after", "joint, REPAIR": "repaired", "tasks": "tasks"}
Row = dict[str, float]  # joint accuracy before and after statistics are corrected, mean accuracy of the tasks after


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="tiny8/mnist", help="a shipped data set")
    parser.add_argument("--classes", type=int, default=10, help="how many classes it has")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--workers", type=int, default=2, help="processes of one thread each")
    parser.add_argument("--output", type=Path, default=Path("outputs/examples/mudsc"))
    options = parser.parse_args()
    begin = time.perf_counter()
    job = partial(one_seed, options.data, options.classes, options.epochs, options.output)
    with ProcessPoolExecutor(options.workers, mp_context=get_context("spawn")) as workers:
        found = list(workers.map(job, range(options.seeds)))
    write_json(options.output / f"{options.data.replace('/', '_')}.json", found)
    print(f"{options.data}, {options.seeds} seeds, {options.epochs} epochs: accuracy in %, mean ± sd\n")
    print(table([one["rows"] for one in found]))
    print(comparisons([one["rows"] for one in found]))
    print(
        f"\n{time.perf_counter() - begin:.0f} s, of which training {sum(one['training'] for one in found):.0f} s "
        f"on one core; curves of alpha in {options.output}"
    )


def one_seed(data: str, classes: int, epochs: int, output: Path, seed: int) -> dict[str, Any]:
    """All rows of one seed, from a file where there is one."""
    file = output / f"{data.replace('/', '_')}_{epochs}_{seed}.json"
    if file.is_file():
        return dict(read_json(file))
    torch.set_num_threads(1)
    logging.getLogger("fusion_bench").setLevel(logging.ERROR)
    parts = halves(classes, seed)
    test, known = task_pool(data, "test", parts), task_pool(data, "train", parts)
    begin = time.process_time()
    models, inputs = {}, {}
    for number, (name, chosen) in enumerate(parts.items()):
        images, labels = pictures(data, "train", chosen)
        head = test.class_vectors(name)
        models[name] = train(images, labels, head, epochs=epochs, seed=2 * seed + number)
        inputs[name] = images
    training = time.process_time() - begin
    moved = {name: on_all_data(model, inputs) for name, model in models.items()}
    rows = references(models, moved, test)
    pool = ImageClassificationModelPool(moved, train_datasets=inputs)
    for name, method in FIXED.items():
        rows[name] = row(method(), pool, test)
    curves = {}
    for name, (cls, where) in CHOSEN.items():
        method = cls(alpha="auto", alpha_data=known if where == "labels" else "train")
        merged, curves[name] = chosen_balance(method, pool)
        rows[name] = row(cls(alpha=curves[name]["alpha"]), pool, test, merged)
    result = {"seed": seed, "training": training, "rows": rows, "curves": curves}
    write_json(file, result)
    return result


def task_pool(data: str, split: str, parts: dict[str, list[int]]) -> ImageClassificationTaskPool:
    """The halves as tasks, whose classes are found by the text features of the CLIP model that ships with tiny8."""
    tasks = {name: described(data, split, classes) for name, classes in parts.items()}
    return ImageClassificationTaskPool(
        tasks, processor=grey, heads="text", base_model="tiny8/clip-vit-tiny", logit_scale=SCALE, pixel_cache_gib=0
    )


def on_all_data(model: nn.Module, inputs: dict[str, Tensor]) -> nn.Module:
    """A copy with running statistics estimated on all training images, as the paper does before anything else."""
    everything = torch.cat(list(inputs.values()))
    order = torch.randperm(len(everything), generator=torch.Generator().manual_seed(0))
    moved = copy.deepcopy(model)
    reestimate_(moved, everything[order].split(100))
    return moved


def references(
    models: dict[str, nn.Module], moved: dict[str, nn.Module], test: ImageClassificationTaskPool
) -> dict[str, Row]:
    """The models alone, and as an ensemble, before and after their statistics are estimated on all data."""
    single = [numbers(test.evaluate(models[name]), test.evaluate(moved[name])) for name in models]
    return {
        "one model": {key: statistics.mean(one[key] for one in single) for key in single[0]},
        "ensemble": numbers(test.evaluate_ensemble(models), test.evaluate_ensemble(moved)),
    }


def row(
    method: AlignedAlgorithm,
    pool: ImageClassificationModelPool,
    test: ImageClassificationTaskPool,
    merged: nn.Module | None = None,
) -> Row:
    """The numbers of a method, whose merged model may be there already."""
    before, repaired = (test.evaluate(replace(method, statistics=way).run(pool)) for way in ("none", "repair"))
    after = test.evaluate(merged or method.run(pool))
    return numbers(before, after) | {"repaired": 100 * repaired["joint"]["accuracy"]}


def numbers(before: EvalReport, after: EvalReport) -> Row:
    """Those of a row, in percent."""
    return {
        "before": 100 * before["joint"]["accuracy"],
        "after": 100 * after["joint"]["accuracy"],
        "tasks before": 100 * before["average"]["accuracy"],
        "tasks": 100 * after["average"]["accuracy"],
    }


def chosen_balance(method: AlignedAlgorithm, pool: ImageClassificationModelPool) -> tuple[nn.Module, dict[str, Any]]:
    """The merged model of the balance that ``alpha=auto`` chooses, and the curve it writes."""
    with tempfile.TemporaryDirectory() as directory:
        merged = method.run(pool, Runtime(log_dir=Path(directory)))
        return merged, dict(read_json(Path(directory) / "alpha_curve.json"))


def table(seeds: list[dict[str, Row]]) -> str:
    """A Markdown table with one row a method."""
    lines = [f"| | {' | '.join(COLUMNS)} |", "|---" * (1 + len(COLUMNS)) + "|"]
    for name in seeds[0]:
        cells = [
            spread([rows[name][key] for rows in seeds]) if key in seeds[0][name] else "" for key in COLUMNS.values()
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def comparisons(seeds: list[dict[str, Row]]) -> str:
    """What both spaces gain on the better single one, seed by seed; the better one is picked on the test data."""
    lines = ["", "| joint, minus the better single space | mean | seeds |", "|---|---|---|"]
    for kind, single in (("Align", ("weight align", "activation align")), ("Zip", ("weight zip", "activation zip"))):
        for name in (one for one in seeds[0] if one.startswith(f"MuDSC-{kind} ")):
            gains = [rows[name]["after"] - max(rows[other]["after"] for other in single) for rows in seeds]
            lines.append(f"| {name} | {spread(gains)} | {', '.join(f'{gain:+.1f}' for gain in gains)} |")
    return "\n".join(lines)


def spread(values: list[float]) -> str:
    """``mean ± standard deviation``."""
    return f"{statistics.mean(values):.1f} ± {statistics.stdev(values) if len(values) > 1 else 0:.1f}"


if __name__ == "__main__":
    main()
