"""One fine-tuning run: loads what it needs, gives the loop its hooks, and goes on with what was saved."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
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
from fusion_bench.method.finetune.precision import make_scaler
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

    @cached_property
    def scaler(self) -> torch.amp.GradScaler:
        """What keeps gradients in the range of float16; does nothing in other precisions."""
        return make_scaler(self.runtime)

    def run(self) -> Progress:
        """Train to the end; the model then has the weights to keep."""
        progress, plan = self._begin(), Plan.of(self.method, saves=self.saved is not None)
        with tqdm(total=plan.steps, initial=progress.step, desc=self.task, unit="step", disable=None) as bar:

            def on_step(step: int, loss: float, learning_rate: float) -> None:
                bar.set_postfix_str(f"loss {loss:.4f}, learning rate {learning_rate:.2e}", refresh=False)
                bar.update()

            hooks = Hooks(
                losses_at=self.losses_at,
                learning_rate_at=self.learning_rate_at,
                validate=self.validate,
                save=self._save,
                on_step=on_step,
                on_point=self.on_point or (lambda point: None),
            )
            with self.runtime.profile("training and validation"):
                train_(self.trained, self.optimiser, plan, hooks, progress, self.scaler)
        training.overwrite_(self.trained, progress.kept)
        return progress

    def losses_at(self, step: int) -> Iterator[Tensor]:
        """Mean cross-entropy of the batch of a step, in parts that add up to it; each is computed when asked for."""
        batch = self._batch(step)
        for pixels, labels in zip(*(column.chunk(self.method.accumulate) for column in batch), strict=True):
            with self.runtime.autocast():
                logits = self.classifier.logits(self.model, pixels)
            yield cross_entropy(logits, labels) * (len(labels) / len(batch[1]))

    def _batch(self, step: int) -> tuple[Tensor, Tensor]:
        """Pixel values and labels of a step, on the device."""
        method, device = self.method, self.runtime.device
        encoded, labels = self.batches.batch(step)
        pixels = self.batches.decode(encoded.to(device)).float()
        if method.augment == "affine":
            generator = generator_for(self.seed, "augment", step)
            shift, scale, turn = method.augment_shift, method.augment_scale, method.augment_turn
            pixels = random_affine(pixels, generator, shift=shift, scale=scale, turn=turn)
        return pixels, labels.to(device)

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
            training.overwrite_(self.trained, weights)
            training.restore_moments_(self.optimiser, self.trained, tensors)
            if progress.loss_scale:
                self.scaler.load_state_dict(progress.loss_scale)
            log.info("going on after step %d of %d", progress.step, self.method.steps)
        return progress

    def _save(self, progress: Progress) -> None:
        """Save what the next step needs; nothing but the weights to keep after the last one."""
        tensors: dict[str, Tensor] = {}
        if progress.step < self.method.steps:
            tensors = {f"{_WEIGHT}{name}": parameter for name, parameter in self.trained.items()}
            tensors |= training.moments(self.optimiser, self.trained)
        progress.loss_scale = self.scaler.state_dict()
        if self.saved:
            self.saved.save(progress, tensors)
