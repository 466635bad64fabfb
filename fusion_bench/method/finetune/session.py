"""One fine-tuning run: loads what it needs, gives the loop its hooks, and goes on with what was saved."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from tqdm.auto import tqdm

from fusion_bench.method.finetune import parameters as training
from fusion_bench.method.finetune.augment import random_affine
from fusion_bench.method.finetune.images import TrainingImages
from fusion_bench.method.finetune.loop import Hooks, train_
from fusion_bench.method.finetune.progress import Plan, Progress
from fusion_bench.method.finetune.record import CurvePoint
from fusion_bench.utils.rng import generator_for

if TYPE_CHECKING:
    from fusion_bench.method.finetune.clip_vision import FineTuneClipVision
    from fusion_bench.method.finetune.pools import Images, TrainingTaskPool
    from fusion_bench.method.finetune.state import SavedRun
    from fusion_bench.models.clip_classifier import ZeroShotClassifier
    from fusion_bench.runtime import Runtime

log = logging.getLogger(__name__)

_WEIGHT = "weight."


@dataclass(kw_only=True)
class Session:
    """The model of a run, which is trained in place, and all that stands around it."""

    method: FineTuneClipVision
    task: str
    seed: int
    model: nn.Module  # on its device, in float32 and eval mode
    classifier: ZeroShotClassifier
    images: Images
    taskpool: TrainingTaskPool
    runtime: Runtime
    saved: SavedRun | None
    on_point: Callable[[CurvePoint], None] | None

    @cached_property
    def trained(self) -> dict[str, nn.Parameter]:
        """The trained parameters by name; no other requires a gradient from now on."""
        return training.select_(self.model, self.method.trained)

    @cached_property
    def batches(self) -> TrainingImages:
        """The training images."""
        method = self.method
        return TrainingImages(self.images, batch_size=method.batch_size, seed=self.seed, cache=method.cache_images)

    @cached_property
    def optimiser(self) -> torch.optim.Optimizer:
        """AdamW on the trained parameters."""
        return training.make_optimiser(self.trained.values(), self.method.weight_decay)

    def run(self) -> Progress:
        """Train to the end; the model then has the weights to keep."""
        method, progress = self.method, self._begin()
        plan = Plan(
            steps=method.steps,
            gradient_clip=method.gradient_clip,
            validate_every=method.validate_every,
            keep_best=method.keep == "best",
            save_every=method.save_every if self.saved else 0,
        )
        with tqdm(total=method.steps, initial=progress.step, desc=self.task, unit="step", disable=None) as bar:

            def on_step(step: int, loss: float, learning_rate: float) -> None:
                bar.set_postfix_str(f"loss {loss:.4f}, learning rate {learning_rate:.2e}", refresh=False)
                bar.update()

            hooks = Hooks(
                loss_at=self.loss_at,
                learning_rate_at=self.learning_rate_at,
                validate=self.validate,
                save=self._save,
                on_step=on_step,
                on_point=self.on_point or (lambda point: None),
            )
            with self.runtime.profile("training and validation"):
                train_(self.trained, self.optimiser, plan, hooks, progress)
        overwrite_(self.trained, progress.kept)
        return progress

    def loss_at(self, step: int) -> Tensor:
        """Mean cross-entropy of the batch of a step."""
        method, device = self.method, self.runtime.device
        encoded, labels = self.batches.batch(step)
        pixels = self.batches.decode(encoded.to(device)).float()
        if method.augment == "affine":
            generator = generator_for(self.seed, "augment", step)
            shift, scale, turn = method.augment_shift, method.augment_scale, method.augment_turn
            pixels = random_affine(pixels, generator, shift=shift, scale=scale, turn=turn)
        with self.runtime.autocast():
            logits = self.classifier.logits(self.model, pixels)
        return cross_entropy(logits, labels.to(device))

    def learning_rate_at(self, step: int) -> float:
        """The learning rate of a step."""
        method = self.method
        return training.learning_rate_at(
            step, peak=method.learning_rate, steps=method.steps, warm_up=method.warm_up or 0, schedule=method.schedule
        )

    def validate(self) -> float:
        """Accuracy of the model as it is, in 0..1."""
        return float(self.taskpool.evaluate(self.model, tasks=[self.task])[self.task]["accuracy"])

    def _begin(self) -> Progress:
        """The progress to start from; weights and moments are those that were saved with it."""
        progress, tensors = self.saved.load() if self.saved else (Progress(), {})
        if progress.accuracy_before is None:
            progress.accuracy_before = self.validate()
        if tensors:
            weights = {name: tensors[f"{_WEIGHT}{name}"] for name in self.trained}
            overwrite_(self.trained, weights)
            training.restore_moments_(self.optimiser, self.trained, tensors, progress.step)
            log.info("going on after step %d of %d", progress.step, self.method.steps)
        return progress

    def _save(self, progress: Progress) -> None:
        """Save what the next step needs; nothing but the weights to keep after the last one."""
        tensors: dict[str, Tensor] = {}
        if progress.step < self.method.steps:
            tensors = {f"{_WEIGHT}{name}": parameter for name, parameter in self.trained.items()}
            tensors |= training.moments(self.optimiser, self.trained)
        if self.saved:
            self.saved.save(progress, tensors)


@torch.no_grad()
def overwrite_(parameters: Mapping[str, nn.Parameter], values: Mapping[str, Tensor]) -> None:
    """Overwrite the values of parameters."""
    for name, parameter in parameters.items():
        parameter.copy_(values[name])
