"""Images per second of an evaluation: a plain loop, ours at first sight, ours later, and the bare forward passes.

All run in this process on the same threads and are repeated in turn, so that what else the machine does hits all of
them; medians are reported. ``base`` is a random model of the size of CLIP-ViT-B/32 on real images of 224 x 224 pixels;
``tiny8`` is a complete evaluation of the shipped suite.
"""

from __future__ import annotations

import argparse
import io
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from PIL import Image
from torch import Tensor, nn
from transformers import AutoTokenizer, CLIPConfig, CLIPModel

from fusion_bench.dataset.registry import class_names
from fusion_bench.dataset.task import as_task
from fusion_bench.models.clip_loading import default_image_processor, load_image_processor
from fusion_bench.suites.shipped import shipped_directory
from fusion_bench.taskpool.clip_vision import CLIPVisionModelTaskPool

TINY8 = ("emoji", "style", "clipart", "letters", "scripts", "fashion", "mnist", "digits")
BATCH_SIZE = 128
Autocast = Callable[[], AbstractContextManager[object]]
BF16 = partial(torch.autocast, "cpu", dtype=torch.bfloat16)


@dataclass(frozen=True)
class Suite:
    """A model on disk, its tower, and tasks in the form of ``test_datasets``."""

    model: Path
    tower: nn.Module
    tasks: dict[str, Any]

    def pool(self, cache: Path) -> CLIPVisionModelTaskPool:
        """A task pool as of a new run."""
        loader = {"batch_size": BATCH_SIZE}
        return CLIPVisionModelTaskPool(
            self.tasks, base_model=str(self.model), cache_dir=cache, dataloader_kwargs=loader
        )


def rows_of(suite: Suite) -> Iterator[tuple[str, list[tuple[Any, int]]]]:
    """The decoded images and labels of each task, as a plain script would hold them."""
    for task, entry in suite.tasks.items():
        images = as_task(task, entry).load(task)
        yield task, [images[index] for index in range(len(images))]


def tiny8() -> Suite:
    """The shipped suite with its pretrained model."""
    directory = shipped_directory("tiny8/clip-vit-tiny")
    if directory is None:
        raise SystemExit("tiny8 is not installed")
    tasks = {task: {"dataset": {"path": f"tiny8/{task}"}, "classnames": f"tiny8/{task}"} for task in TINY8}
    return Suite(directory, CLIPModel.from_pretrained(directory).float().vision_model.eval(), tasks)


def base(root: Path, count: int) -> Suite:
    """A random model of the size of CLIP-ViT-B/32, and the first images of the shipped suite enlarged to 224 pixels."""
    tokenizer = AutoTokenizer.from_pretrained(shipped_directory("tiny8/clip-vit-tiny"))
    ids = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    torch.manual_seed(0)
    model = CLIPModel(CLIPConfig(text_config={"vocab_size": len(tokenizer), **ids})).eval()
    model.save_pretrained(root / "model")
    tokenizer.save_pretrained(root / "model")
    default_image_processor(224).save_pretrained(root / "model")
    rows = [row for task in TINY8 for row in _some(task, -(-count // len(TINY8)))][:count]
    (root / "data").mkdir()
    pq.write_table(pa.Table.from_pylist(rows), root / "data" / "test.parquet")
    names = list(class_names("tiny8/clipart").classnames)
    entry = {"dataset": str(root / "data"), "classnames": names, "templates": ["a photo of a {}."]}
    return Suite(root / "model", model.vision_model, {"images": entry})


def _some(task: str, count: int) -> Iterator[dict[str, Any]]:
    images = as_task(task, {"dataset": f"tiny8/{task}", "classnames": f"tiny8/{task}"}).load(task)
    for index in range(count):
        image, _ = images[index]
        buffer = io.BytesIO()
        image.resize((224, 224), Image.Resampling.BICUBIC).save(buffer, "PNG")
        yield {"image": {"bytes": buffer.getvalue(), "path": None}, "label": 0}


@torch.inference_mode()
def plain_loop(suite: Suite, heads: dict[str, Tensor]) -> None:
    """What one writes at first: read, preprocess image by image, run the model in float32, compare."""
    clip = CLIPModel.from_pretrained(suite.model).float().eval()
    processor = load_image_processor(suite.model, "the model")
    for task, rows in rows_of(suite):
        correct = 0
        for start in range(0, len(rows), BATCH_SIZE):
            some = rows[start : start + BATCH_SIZE]
            pixels = torch.cat([processor(images=image, return_tensors="pt")["pixel_values"] for image, _ in some])
            features = clip.visual_projection(suite.tower(pixel_values=pixels).pooler_output)
            logits = clip.logit_scale.exp() * torch.nn.functional.normalize(features, dim=-1) @ heads[task].T
            correct += int((logits.argmax(dim=-1) == torch.tensor([label for _, label in some])).sum())


def ours(suite: Suite, cache: Path, autocast: Autocast = nullcontext) -> Any:
    """A complete evaluation by a new pool."""
    pool = suite.pool(cache)
    pool.setup(autocast=autocast)
    return pool.evaluate(suite.tower)


@torch.inference_mode()
def bare(suite: Suite, batches: list[Tensor], autocast: Autocast = nullcontext) -> None:
    """Nothing but the vision tower on pixel values in memory."""
    with autocast():
        for pixels in batches:
            suite.tower(pixel_values=pixels)


def seconds(act: Callable[[], object]) -> float:
    """Wall time."""
    start = time.perf_counter()
    act()
    return time.perf_counter() - start


def measure(suite: Suite, root: Path, repeats: int) -> None:
    """Print images per second and ratios."""
    cache = root / "cache"
    expected = ours(suite, cache)
    pool = suite.pool(cache)
    heads = {task: pool.classifier(task, suite.tower).head for task in suite.tasks}
    batches = [
        pool._once.transform.decode(pixels) for task in suite.tasks for pixels, _ in pool._prepared(task).batches
    ]
    images = sum(map(len, batches))
    runs: dict[str, Callable[[], object]] = {
        "(a) plain loop": lambda: plain_loop(suite, heads),
        "(b) ours, first sight": lambda: ours(suite, Path(tempfile.mkdtemp(dir=root))),
        "(c) ours, from the cache": lambda: ours(suite, cache),
        "(d) ours, from the cache, bf16": lambda: ours(suite, cache, BF16),
        "(e) bare forward": lambda: bare(suite, batches),
        "(f) bare forward, bf16": lambda: bare(suite, batches, BF16),
    }
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeats):
        for name, run in runs.items():
            times[name].append(seconds(run))
    medians = {name: statistics.median(taken) for name, taken in times.items()}
    print(f"{images} images, {torch.get_num_threads()} threads, medians of {repeats} runs in turn")
    for name, taken in medians.items():
        print(f"{name:32} {images / taken:9.1f} images/s {taken:8.2f} s")
    a, _, c, d, e, f = medians.values()
    print(f"from the cache: {a / c:.2f} times as fast as the plain loop, {c / e:.3f} times the bare forward's time")
    print(f"in bf16: {a / d:.2f} times as fast as the plain loop, {d / f:.3f} times the bare forward's time")
    low = ours(suite, cache, BF16)
    change = max(abs(low[task]["accuracy"] - expected[task]["accuracy"]) for task in suite.tasks)
    print(f"largest change of a task's accuracy in bf16: {100 * change:.2f} points")


def main() -> None:
    """Measure one suite."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("suite", choices=["base", "tiny8"])
    parser.add_argument("--images", type=int, default=2000, help="of base")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        measure(tiny8() if options.suite == "tiny8" else base(root, options.images), root, options.repeats)


if __name__ == "__main__":
    main()
