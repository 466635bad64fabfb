"""The training loop: gradient steps, validation, and which weights are kept. It knows neither images nor files."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from fusion_bench.method.finetune.precision import has_vanished
from fusion_bench.method.finetune.progress import Plan, Progress
from fusion_bench.method.finetune.record import CurvePoint


@dataclass(frozen=True, kw_only=True)
class Hooks:
    """What the loop calls."""

    losses_at: Callable[[int], Iterable[Tensor]]  # the loss of the batch of a step in parts that add up to it
    learning_rate_at: Callable[[int], float]
    validate: Callable[[], float]  # accuracy of the model as it is
    save: Callable[[Progress], None]
    on_step: Callable[[int, float, float], None]  # step, loss, learning rate
    on_point: Callable[[CurvePoint], None]


def train_(
    parameters: Mapping[str, nn.Parameter],
    optimiser: torch.optim.Optimizer,
    plan: Plan,
    hooks: Hooks,
    progress: Progress,
    scaler: torch.amp.GradScaler,
) -> None:
    """Train ``parameters`` from ``progress.step`` to the last step; all but plan and hooks are overwritten.

    Raises:
        ValueError: if the loss or a weight becomes NaN or infinite.
    """
    started, before = time.perf_counter(), progress.seconds
    for step in range(progress.step + 1, plan.steps + 1):
        rate = hooks.learning_rate_at(step)
        loss = accumulate_(optimiser, scaler, hooks.losses_at(step), step, rate)
        gradient_step_(parameters, optimiser, scaler, step, rate, plan.gradient_clip)
        progress.step = step
        progress.losses.append(loss)
        hooks.on_step(step, loss, rate)
        if plan.validates_after(step):
            check_weights(parameters, step, rate)
        if plan.records(step):
            _add_point_(progress, rate, hooks.validate() if plan.validates_after(step) else None)
            _keep_(progress, parameters, plan)
            hooks.on_point(progress.curve[-1])
        progress.seconds = before + time.perf_counter() - started
        if plan.saves_after(step):
            hooks.save(progress)


def accumulate_(
    optimiser: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    losses: Iterable[Tensor],
    step: int,
    learning_rate: float,
) -> float:
    """Overwrite the gradients by that of the sum of ``losses``, times the scale; returns the sum.

    The graph of one part is gone before the next part is asked for.

    Raises:
        ValueError: if a part is NaN or infinite.
    """
    optimiser.zero_grad(set_to_none=True)
    total = 0.0
    for loss in losses:
        total += float(loss.detach())
        if not math.isfinite(total):
            raise ValueError(diverged(f"the loss is {total}", step, learning_rate))
        torch.autograd.backward(scaler.scale(loss))
    return total


def gradient_step_(
    parameters: Mapping[str, nn.Parameter],
    optimiser: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    step: int,
    learning_rate: float,
    gradient_clip: float | None,
) -> None:
    """Overwrite the parameters by those after one step down their gradients, which are overwritten too.

    Raises:
        ValueError: if the gradients overflow in float16 at every scale.
    """
    if gradient_clip is not None:
        scaler.unscale_(optimiser)
        nn.utils.clip_grad_norm_(list(parameters.values()), gradient_clip)
    for group in optimiser.param_groups:
        group["lr"] = learning_rate
    scaler.step(optimiser)
    scaler.update()
    if has_vanished(scaler):
        raise ValueError(diverged("the gradients overflow at every scale of the loss", step, learning_rate))


def check_weights(parameters: Mapping[str, nn.Parameter], step: int, learning_rate: float) -> None:
    """Check that every trained weight is a finite number.

    Raises:
        ValueError: naming the first that is not.
    """
    for name, parameter in parameters.items():
        if not bool(torch.isfinite(parameter).all()):
            raise ValueError(diverged(f"the weight {name!r} is NaN or infinite", step, learning_rate))


def diverged(what: str, step: int, learning_rate: float) -> str:
    """The message about training that has left the finite numbers."""
    return (
        f"{what} at step {step} with learning rate {learning_rate:.3g}: lower learning_rate (a tenth of it is a good "
        "try), lengthen warm_up, or set gradient_clip=1.0; check also that the images hold finite numbers"
    )


def _add_point_(progress: Progress, learning_rate: float, accuracy: float | None) -> None:
    mean = math.fsum(progress.losses) / len(progress.losses)
    point = CurvePoint(step=progress.step, loss=mean, learning_rate=learning_rate)
    progress.curve.append(replace(point, validation_accuracy=accuracy))
    progress.losses.clear()


def _keep_(progress: Progress, parameters: Mapping[str, nn.Parameter], plan: Plan) -> None:
    """Remember the weights where they are the best so far, or the last ones if those are wanted."""
    accuracy = progress.curve[-1].validation_accuracy
    if accuracy is None:
        return
    if plan.keep_best and accuracy <= progress.kept_accuracy:
        return
    progress.kept_step, progress.kept_accuracy = progress.step, accuracy
    if plan.keep_best or progress.step == plan.steps:
        progress.kept = {name: parameter.detach().cpu().clone() for name, parameter in parameters.items()}
