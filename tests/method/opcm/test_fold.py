"""Updates that take the place of the task vector they are computed from."""

import pytest
import torch

from fusion_bench.method.opcm.fold import added, lasting_task_vector, next_state
from fusion_bench.method.opcm.opcm import opcm_step
from fusion_bench.method.state import Base


def map_tensors(function, names):
    return {name: function(name) for name in names}


def params(seed, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    shapes = {"small": (5, 3), "large": (640, 700), "bias": (7,)}
    return {name: torch.randn(shape, generator=generator).to(dtype) for name, shape in shapes.items()}


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("factor", [1.0, 0.3])
def test_sums_are_those_of_the_formula_and_nothing_that_went_in_changes(dtype, factor):
    base, first, second = (params(seed, dtype) for seed in range(3))
    before = [{name: tensor.clone() for name, tensor in model.items()} for model in (base, first, second)]
    origin, state = Base(base, frozenset()), None
    for incoming in (first, second):
        updates = {name: added(state, name, lasting_task_vector(incoming, origin, name), factor) for name in base}
        state = next_state(state, updates, divisor=1.0)
    wide = torch.promote_types(dtype, torch.float32)
    for name, tensor in state.accumulator.items():
        vectors = [model[name].to(wide) - base[name].to(wide) for model in (first, second)]
        assert torch.equal(tensor, (factor * vectors[0]).add(vectors[1], alpha=factor))
        assert updates[name].vector_square == pytest.approx(float(vectors[1].double().square().sum()), rel=1e-12)
        assert updates[name].accumulator_square == pytest.approx(float(tensor.double().square().sum()), rel=1e-12)
    for model, kept in zip((base, first, second), before, strict=True):
        assert all(torch.equal(model[name], kept[name]) for name in kept)


def test_parameters_of_live_modules_are_merged():
    torch.manual_seed(0)
    modules = [torch.nn.Linear(6, 4) for _ in range(3)]
    base, *models = [dict(module.named_parameters()) for module in modules]
    state = None
    for incoming in models:
        origin = Base(base, frozenset({"weight"}))
        state = opcm_step(state, incoming, origin, alpha=0.5, zero_diagonal=True, map_tensors=map_tensors)
    assert not any(tensor.requires_grad for tensor in state.accumulator.values())
    assert state.count == 2
