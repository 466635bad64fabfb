"""Builds the suite stage by stage; what is finished is kept, what was interrupted is done again."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from fusion_bench.utils.files import read_json, remove_partial, write_json
from tools.local_suite.suite import SPLITS, Layout, tasks

log = logging.getLogger(__name__)

THREADS = 2  # always, since sums in another order round differently
VERSION = 1  # of the recipe


@dataclass(frozen=True)
class Stage:
    """A step of the build: what it makes, and about how many seconds it takes on two idle cores."""

    title: str
    seconds: float
    outputs: Sequence[Path]
    run: Callable[[], None]

    @property
    def is_done(self) -> bool:
        """Whether all it makes is there; files appear only when they are complete."""
        return all(path.exists() for path in self.outputs)


def all_stages(layout: Layout, seed: int) -> list[Stage]:
    """The stages of a suite, in order."""
    from tools.local_suite.drawn import drawn_tasks
    from tools.local_suite.scans import scanned_tasks
    from tools.local_suite.stages import fine_tune_task, pretrain_clip, score, write_tasks

    def files(*names: str) -> list[Path]:
        return [layout.parquet(name, split) for name in names for split in SPLITS]

    return [
        Stage("scanned digits", 10, files("digits", "mnist"), partial(write_tasks, layout, scanned_tasks, seed)),
        Stage("drawn letters", 8, files("letters", "style"), partial(write_tasks, layout, drawn_tasks, seed)),
        Stage("pretraining", 80, [layout.clip], partial(pretrain_clip, layout, seed)),
        *(
            Stage(f"fine-tuning on {task}", 10, [layout.checkpoint(task)], partial(fine_tune_task, layout, seed, task))
            for task in tasks()
        ),
        Stage("scores", 8, [layout.pretrained, layout.individual], partial(score, layout)),
    ]


def build(root: Path, seed: int) -> None:
    """Build a suite in ``root``, or what is missing of it.

    Raises:
        ValueError: if ``root`` holds a suite that was built with other settings.
    """
    layout = Layout(root)
    claim(layout, {"version": VERSION, "seed": seed})
    stages = all_stages(layout, seed)
    missing = [stage for stage in stages if not stage.is_done]
    if not missing:
        log.info("%s is complete", root)
        return
    import datasets
    import torch
    import transformers

    datasets.disable_progress_bars()
    transformers.utils.logging.disable_progress_bar()
    torch.set_num_threads(THREADS)
    start = time.monotonic()
    expected = sum(stage.seconds for stage in missing)
    done = 0.0
    for stage in missing:
        left = expected - done
        if done:  # the speed so far, on this machine
            left *= (time.monotonic() - start) / done
        log.info("[%d/%d] %s; about %.0f s to go", stages.index(stage) + 1, len(stages), stage.title, left)
        stage.run()
        done += stage.seconds
    log.info("built %s in %.0f s", root, time.monotonic() - start)


def claim(layout: Layout, settings: dict[str, int]) -> None:
    """Record what the suite is built with, and clean up after an interrupted build.

    Raises:
        ValueError: if the directory holds a suite with other settings.
    """
    if layout.settings.exists():
        found = read_json(layout.settings)
        if found != settings:
            raise ValueError(
                f"{layout.root} holds a suite built with {found}, not {settings}; "
                "remove that directory or choose another"
            )
    write_json(layout.settings, settings)
    for directory in (layout.root, *(path for path in layout.root.iterdir() if path.is_dir())):
        remove_partial(directory)


def summary(layout: Layout) -> str:
    """Accuracy on each task of the pretrained and of the fine-tuned model, in per cent."""
    before, after = read_json(layout.pretrained), read_json(layout.individual)
    rows = [
        f"{task:<10} {100 * before[task]['accuracy']:>10.1f} {100 * after[task]['accuracy']:>10.1f}"
        for task in (*tasks(), "average")
    ]
    return "\n".join([f"{'task':<10} {'pretrained':>10} {'individual':>10}", *rows])
