"""Fine-tunes the vision tower of a CLIP model on one task against a frozen zero-shot head.

The defaults are those of Ilharco et al., "Editing models with task arithmetic" (ICLR 2023): 2000 steps of
128 images, AdamW with learning rate 1e-5, weight decay 0.1, 200 steps of warm-up, then a cosine; gradients are clipped
to norm 1 as in their code.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fusion_bench.method.finetune.options import check_choice, check_count, check_number
from fusion_bench.method.finetune.parameters import SCHEDULES, TRAINED
from fusion_bench.method.finetune.record import CurvePoint, FineTuned
from fusion_bench.modelpool.base_pool import PRETRAINED, as_modelpool
from fusion_bench.runtime import Runtime
from fusion_bench.utils.configurable import Configurable

AUGMENTATIONS = ("none", "affine")
KEPT = ("last", "best")


@dataclass(kw_only=True)
class FineTuneClipVision(Configurable):
    """Trains a vision tower on one task; text tower, projections and logit scale stay as they are.

    The tower is trained in float32 and without dropout; under an autocast to float16 the loss is scaled. The same seed
    gives the same bits on the CPU.

    Args:
        steps: gradient steps.
        batch_size: images a step.
        accumulate: parts in which the gradient of a batch is computed and added up; more of them take less memory and
            change the result by rounding only.
        learning_rate: of AdamW, at its peak. AdamW without weight decay is Adam.
        schedule: of the learning rate after the warm-up, ``constant`` or ``cosine`` (down to 0).
        warm_up: steps in which the learning rate rises from 0 to its peak; null or 0 for none.
        weight_decay: of AdamW, for matrices and convolutions; vectors such as biases do not decay.
        gradient_clip: largest norm of the gradient; null does not clip.
        trained: ``all`` parameters of the tower, the ``matrices`` (weights of ``nn.Linear``) in the encoder layers, or
            those of their ``attention``.
        augment: ``none``, or ``affine`` for a random shift, scale and turn of each training image.
        augment_shift: largest shift, as a share of the image.
        augment_scale: largest change of width and height, as a share of them.
        augment_turn: largest angle, in degrees.
        seed: of the order of the images and the augmentation; null takes the seed of the run, or a fresh one.
        validate_every: validate each time after so many steps; 0 only at the end.
        keep: the weights after the ``last`` step, or the ``best`` by validation accuracy (the earlier of equal ones).
        cache_images: keep the preprocessed training images in memory if they take no more than 4 GiB.
        save_every: write what ``resume`` needs each time after so many steps; 0 never.

    Raises:
        ValueError: if a value is out of range.
    """

    steps: int = 2000
    batch_size: int = 128
    accumulate: int = 1
    learning_rate: float = 1e-5
    schedule: str = "cosine"
    warm_up: int | None = 200
    weight_decay: float = 0.1
    gradient_clip: float | None = 1.0
    trained: str = "all"
    augment: str = "none"
    augment_shift: float = 0.1
    augment_scale: float = 0.1
    augment_turn: float = 6.0
    seed: int | None = None
    validate_every: int = 0
    keep: str = "last"
    cache_images: bool = True
    save_every: int = 500

    def __post_init__(self) -> None:
        check_count("steps", self.steps, at_least=1)
        check_count("batch_size", self.batch_size, at_least=1)
        check_count("accumulate", self.accumulate, at_least=1)
        check_number("learning_rate", self.learning_rate, above=0.0)
        check_choice("schedule", self.schedule, SCHEDULES)
        check_count("warm_up", self.warm_up or 0, at_least=0)
        check_number("weight_decay", self.weight_decay, at_least=0.0)
        if self.gradient_clip is not None:
            check_number("gradient_clip", self.gradient_clip, above=0.0)
        check_choice("trained", self.trained, TRAINED)
        check_choice("augment", self.augment, AUGMENTATIONS)
        check_number("augment_shift", self.augment_shift, at_least=0.0, below=1.0)
        check_number("augment_scale", self.augment_scale, at_least=0.0, below=1.0)
        check_number("augment_turn", self.augment_turn, at_least=0.0, below=180.0)
        check_count("validate_every", self.validate_every, at_least=0)
        check_choice("keep", self.keep, KEPT)
        check_count("save_every", self.save_every, at_least=0)
        if (self.warm_up or 0) >= self.steps:
            raise ValueError(f"warm_up must be less than steps ({self.steps}), got {self.warm_up}")
        if self.accumulate > self.batch_size:
            raise ValueError(f"accumulate must be at most batch_size ({self.batch_size}), got {self.accumulate}")

    def run(
        self,
        modelpool: Any,
        taskpool: Any,
        task: str,
        *,
        start: str = PRETRAINED,
        runtime: Runtime | None = None,
        on_point: Callable[[CurvePoint], None] | None = None,
    ) -> FineTuned:
        """Fine-tune a copy of a model of the pool; ``model, record = FineTuneClipVision().run(…)``.

        Args:
            modelpool: gives the model to start from, and the training images as ``load_train_dataset(task)``.
            taskpool: gives the head of the task, the preprocessing, and validates.
            task: a name in both.
            start: name of the model in the pool.
            runtime: device, precision, seed and, for ``resume``, the log directory.
            on_point: called with each new point of the learning curve.

        Raises:
            KeyError: if a pool has no such task or model.
            ValueError: if training diverges, or ``resume`` finds another run.
        """
        from fusion_bench.method.finetune.start import fine_tune

        return fine_tune(self, as_modelpool(modelpool), taskpool, task, start, runtime or Runtime(), on_point)
