"""Weights of one shape, projected together as on an accelerator, merge like one after the other."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from helpers import make_models, same_tensors
from torch import nn

from fusion_bench.method.opcm import opcm
from fusion_bench.method.opcm.opcm import OPCM
from fusion_bench.method.opcm.stacks import StackedUpdates, pays_to_stack, stacks_of
from fusion_bench.method.state import Update
from fusion_bench.runtime import Runtime
from fusion_bench.utils.executors import SerialExecutor, ThreadExecutor


def deep(seed):
    """Six layers of two shapes, one of them with a bias."""
    generator = torch.Generator().manual_seed(seed)
    layers = [nn.Linear(5, 7), *(nn.Linear(7, 7, bias=False) for _ in range(4)), nn.Linear(7, 5)]
    model = nn.Sequential(*layers)
    for parameter in model.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator)
    return model


@pytest.mark.parametrize("zero_diagonal", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("make", [deep, lambda seed: make_models([str(seed)])[str(seed)]])
def test_stacks_merge_like_single_matrices(monkeypatch, make, dtype, zero_diagonal):
    models = {name: make(seed).to(dtype) for seed, name in enumerate(["_pretrained_", "a", "b", "c"])}
    method = OPCM(shuffle_order=False, zero_diagonal=zero_diagonal)
    single = method.run(models).state_dict()
    monkeypatch.setattr(opcm, "pays_to_stack", lambda device: True)
    stacked = method.run(models, Runtime(executor=ThreadExecutor(3))).state_dict()
    for name, tensor in single.items():
        assert stacked[name].dtype == tensor.dtype
        torch.testing.assert_close(stacked[name], tensor, rtol=1e-2 if dtype == torch.bfloat16 else 1e-5, atol=1e-5)
    assert same_tensors(stacked, method.run(models, Runtime(executor=SerialExecutor())).state_dict())


def test_only_accelerators_get_stacks():
    assert not pays_to_stack(torch.device("cpu"))
    assert pays_to_stack(torch.device("cuda", 1))


def test_stacks_are_of_one_shape_and_dtype_and_bounded():
    tensors = {"a": torch.ones(2, 3), "b": torch.ones(3, 2), "c": torch.ones(2, 3), "d": torch.ones(2, 3).double()}
    assert stacks_of(tensors) == [["a", "c"], ["b"], ["d"]]
    assert stacks_of(tensors, entries=11) == [["a"], ["c"], ["b"], ["d"]]
    assert stacks_of({}) == []


def test_a_stack_is_computed_once_whoever_asks_first():
    computed = []

    def compute(names):
        computed.append(list(names))
        return [Update(torch.tensor(float(ord(name))), 0.0, 0.0) for name in names]

    updates = StackedUpdates([["a", "b"], ["c"]], compute)
    assert "a" in updates
    assert "d" not in updates
    with ThreadPoolExecutor(3) as threads:
        found = list(threads.map(updates, "bca"))
    assert [float(update.accumulator) for update in found] == [98, 99, 97]
    assert sorted(computed) == [["a", "b"], ["c"]]
