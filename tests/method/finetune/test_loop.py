"""When the loop validates, saves and records; what it does with numbers that are not finite."""

import pytest
import torch
from torch import nn

from fusion_bench.method.finetune.loop import Hooks, train_
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


def run(loss_at, plan):
    weight = nn.Parameter(torch.ones(2, 2))
    calls = []
    hooks = Hooks(
        loss_at=lambda step: loss_at(weight, step),
        learning_rate_at=lambda step: 0.1,
        validate=lambda: 0.5,
        save=lambda progress: calls.append(("save", progress.step)),
        on_step=lambda step, loss, rate: calls.append(("step", step)),
        on_point=lambda point: calls.append(("point", point.step)),
    )
    progress = Progress()
    train_({"weight": weight}, make_optimiser([weight], 0.0), plan, hooks, progress)
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


def test_gradients_are_clipped():
    weight, _, _ = run(lambda weight, step: 1e6 * weight.sum(), make_plan(steps=1, gradient_clip=1e-12))
    assert (1 - weight.detach()).max() < 0.01  # AdamW would move by the learning rate, 0.1, whatever the scale
