"""When the loop validates, saves and records; what it does with numbers that are not finite."""

import pytest
import torch
from torch import nn

from fusion_bench.method.finetune.loop import Hooks, accumulate_, gradient_step_, train_
from fusion_bench.method.finetune.parameters import make_optimiser
from fusion_bench.method.finetune.progress import Plan, Progress


def make_plan(**changes):
    settings = {"steps": 7, "gradient_clip": None, "validate_every": 3, "keep_best": False, "save_every": 2}
    return Plan(**{**settings, **changes})


def test_when_what_is_done():
    plan = make_plan()
    assert [step for step in range(1, 8) if plan.validates_after(step)] == [3, 6, 7]
    assert [step for step in range(1, 8) if plan.saves_after(step)] == [2, 4, 6, 7]
    assert [step for step in range(1, 8) if make_plan(save_every=0).saves_after(step)] == []
    assert [step for step in range(1, 8) if make_plan(validate_every=0).validates_after(step)] == [7]
    assert sum(make_plan(steps=2000, validate_every=0).records(step) for step in range(1, 2001)) == 100


def run(loss_at, plan, **scale):
    scaler = torch.amp.GradScaler("cpu", enabled=bool(scale), **scale)
    weight = nn.Parameter(torch.ones(2, 2))
    calls = []
    hooks = Hooks(
        losses_at=lambda step: [loss_at(weight, step)],
        learning_rate_at=lambda step: 0.1,
        validate=lambda: 0.5,
        save=lambda progress: calls.append(("save", progress.step)),
        on_step=lambda step, loss, rate: calls.append(("step", step)),
        on_point=lambda point: calls.append(("point", point.step)),
    )
    progress = Progress()
    train_({"weight": weight}, make_optimiser([weight], 0.0), plan, hooks, progress, scaler)
    return weight, progress, calls


def test_the_loss_falls_and_the_curve_has_means():
    weight, progress, calls = run(lambda weight, step: weight.square().sum(), make_plan(steps=300))
    assert weight.abs().max() < 0.2
    assert [point.step for point in progress.curve[:2]] == [3, 6]
    assert progress.curve[0].loss > progress.curve[-1].loss
    assert calls[:4] == [("step", 1), ("step", 2), ("save", 2), ("step", 3)]
    assert torch.equal(progress.kept["weight"], weight.detach())


def test_a_loss_that_is_not_finite_changes_no_weight():
    seen = []

    def loss_at(weight, step):
        seen.append(weight.detach().clone())
        return weight.sum() * (float("nan") if step == 3 else 1.0)

    message = "the loss is nan at step 3 with learning rate 0.1: lower learning_rate"
    with pytest.raises(ValueError, match=message):
        run(loss_at, make_plan())
    assert torch.isfinite(seen[-1]).all()


def test_a_gradient_that_is_not_finite_is_found_in_the_weights():
    with pytest.raises(ValueError, match="the weight 'weight' is NaN or infinite at step 1"):
        run(lambda weight, step: (weight - weight.detach()).abs().sum().sqrt(), make_plan(steps=1))


def test_parts_of_a_loss_add_up():
    def weights_after(count):
        weight = nn.Parameter(torch.ones(2, 2))
        optimiser, scaler = make_optimiser([weight], 0.0), torch.amp.GradScaler("cpu", enabled=False)
        factors = torch.arange(4.0).view(2, 2)
        losses = ((weight * factors).square().sum() / count for _ in range(count))
        total = accumulate_(optimiser, scaler, losses, 1, 0.1)
        gradient = weight.grad.clone()
        gradient_step_({"weight": weight}, optimiser, scaler, 1, 0.1, None)
        return total, gradient, weight.detach()

    whole, parts = weights_after(1), weights_after(4)
    assert whole[0] == parts[0] == 14
    assert torch.equal(whole[1], parts[1])
    assert torch.equal(whole[2], parts[2])


def test_a_scaled_loss_gives_the_same_step_and_overflow_is_left_out():
    def loss_at(weight, step):
        return weight.square().sum() * (float("1e37") if step == 1 else 1.0)

    plain, _, _ = run(lambda weight, step: weight.square().sum(), make_plan(steps=2))
    scaled, _, _ = run(loss_at, make_plan(steps=3), init_scale=2.0**7)  # the first gradient is infinite
    assert torch.allclose(plain, scaled, atol=1e-6)
    clipped, _, _ = run(loss_at, make_plan(steps=3, gradient_clip=1.0), init_scale=2.0**7)
    assert torch.isfinite(clipped).all()


def test_gradients_that_overflow_at_every_scale_end_the_run():
    def loss_at(weight, step):
        return (weight - weight.detach()).abs().sum().sqrt()  # the slope of a root at 0 is infinite

    with pytest.raises(ValueError, match="the gradients overflow at every scale of the loss at step 3"):
        run(loss_at, make_plan(steps=9, validate_every=0), init_scale=2.0**-22)


def test_gradients_are_clipped():
    weight, _, _ = run(lambda weight, step: 1e6 * weight.sum(), make_plan(steps=1, gradient_clip=1e-12))
    assert (1 - weight.detach()).max() < 0.01  # AdamW would move by the learning rate, 0.1, whatever the scale
