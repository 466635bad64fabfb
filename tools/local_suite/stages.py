"""The stages of the build: each reads what earlier ones wrote and writes its own files, atomically."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from fusion_bench.dataset.registry import ClassNames
from fusion_bench.report import EvalReport
from fusion_bench.utils.files import atomic_directory, write_json
from tools.local_suite.clip import image_processor, new_model
from tools.local_suite.drawn import captioned_drawings
from tools.local_suite.images import Splits, read_parquet, write_parquet
from tools.local_suite.suite import Layout, prompts, tasks
from tools.local_suite.tokenizer import train_tokenizer
from tools.local_suite.training import fine_tune, pretrain, zero_shot_head


def write_tasks(layout: Layout, make: Callable[[int], Mapping[str, Splits]], seed: int) -> None:
    """Write the splits of the tasks that ``make(seed)`` gives."""
    for task, splits in make(seed).items():
        for split, images in splits.items():
            write_parquet(images, tasks()[task].classnames, layout.parquet(task, split))


def pretrain_clip(layout: Layout, seed: int) -> None:
    """Train a CLIP model on captioned drawings and write it with tokenizer and image processor."""
    sources = captioned_drawings(seed)
    tokenizer = train_tokenizer(itertools.chain.from_iterable(map(all_prompts, tasks().values())))
    torch.manual_seed(seed)
    model = new_model(tokenizer)
    pretrain(model, tokenizer, sources, seed)
    with atomic_directory(layout.clip) as directory:
        model.save_pretrained(directory)
        tokenizer.save_pretrained(directory)
        image_processor().save_pretrained(directory)


def fine_tune_task(layout: Layout, seed: int, task: str) -> None:
    """Fine-tune the vision tower on one task and write it."""
    from transformers import CLIPModel, CLIPTokenizer

    from fusion_bench.modelpool.clip_vision import CLIPVisionModelPool

    model = CLIPModel.from_pretrained(layout.clip).eval()
    head = zero_shot_head(model, CLIPTokenizer.from_pretrained(layout.clip), tasks()[task])
    fine_tune(model, head, read_parquet(layout.parquet(task, "train")), f"fine-tuning on {task}", seed)
    pool = CLIPVisionModelPool({"_pretrained_": str(layout.clip)})
    pool.save_params(model.vision_model.state_dict(), layout.checkpoint(task))


def score(layout: Layout) -> None:
    """Write the reports of the pretrained model and of the fine-tuned ones, each on its own task."""
    from fusion_bench.modelpool.clip_vision import CLIPVisionModelPool
    from fusion_bench.taskpool.clip_vision import CLIPVisionModelTaskPool

    checkpoints = {task: str(layout.checkpoint(task)) for task in tasks()}
    modelpool = CLIPVisionModelPool({"_pretrained_": str(layout.clip), **checkpoints})
    entries = {task: task_entry(layout.root / task, names) for task, names in tasks().items()}
    taskpool = CLIPVisionModelTaskPool(entries, base_model=str(layout.clip))
    pretrained = taskpool.evaluate(modelpool.load_pretrained_model(), "pretrained")
    reports = [taskpool.evaluate(modelpool.load_model(task), "individual", tasks=[task]) for task in tasks()]
    scores = {task: report.scores[task] for task, report in zip(tasks(), reports, strict=True)}
    write_json(layout.pretrained, pretrained.to_dict())
    write_json(layout.individual, EvalReport(reports[0].model_info, scores).to_dict())


def task_entry(directory: Path, names: ClassNames) -> dict[str, Any]:
    """A task of the task pool on the test images in ``directory``."""
    return {
        "dataset": {"path": str(directory), "split": "test"},
        "classnames": list(names.classnames),
        "templates": list(names.templates),
    }


def all_prompts(names: ClassNames) -> list[str]:
    """The prompts of all classes."""
    return [prompt for label in range(len(names.classnames)) for prompt in prompts(names, label)]
