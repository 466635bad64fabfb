"""TIES-Merging of all models at once; the maths on tensors is tested in ``tests/functional/test_ties.py``."""

import pytest
import torch
from helpers import make_models, same_tensors
from torch import nn

from fusion_bench.method.ties_merging import TiesMerging
from fusion_bench.runtime import Runtime
from fusion_bench.utils.executors import SerialExecutor, ThreadExecutor


def linear(weight, bias) -> nn.Linear:
    layer = nn.Linear(2, 1)
    layer.load_state_dict({"weight": torch.tensor([weight]), "bias": torch.tensor(bias)})
    return layer


def three_layers() -> dict[str, nn.Module]:
    """Task vectors (4, -1 | 2), (2, 3 | -6), (-1, 5 | 1) around a base of ones."""
    return {
        "_pretrained_": linear([1.0, 1.0], [1.0]),
        "a": linear([5.0, 0.0], [3.0]),
        "b": linear([3.0, 4.0], [-5.0]),
        "c": linear([0.0, 6.0], [2.0]),
    }


@pytest.mark.parametrize(
    ("merge_func", "threshold", "weight", "bias"),
    [
        # all kept: sums 5, 7, -3
        ("sum", 100, [6.0, 8.0], -6.0),
        ("mean", 100, [3.0, 4.0], -6.0),
        ("max", 1, [4.0, 5.0], -6.0),
        # 2 of 3 kept: (4, . | 2), (., 3 | -6), (-1, 5 | 1); sums 3, 8, -3.  The -1 and 1 of the last tie.
        ("sum", 0.6, [4.0, 8.0], -6.0),
        # 1 of 3 kept: (4, . | .), (., . | -6), (., 5 | .)
        ("sum", 30, [4.0, 5.0], -6.0),
    ],
)
def test_by_hand(merge_func, threshold, weight, bias):
    method = TiesMerging(scaling_factor=0.5, threshold=threshold, merge_func=merge_func)
    merged = method.run(three_layers())
    assert merged.weight.tolist() == [[1.0 + 0.5 * value for value in weight]]
    assert merged.bias.tolist() == [1.0 + 0.5 * bias]


def test_removed_tensors_stay_pretrained_and_do_not_count_for_the_trim():
    merged = TiesMerging(scaling_factor=1.0, threshold=50, remove_keys=["bias"]).run(three_layers())
    assert merged.bias.tolist() == [1.0]
    assert merged.weight.tolist() == [[1.0 + 4.0, 1.0 + 8.0]]  # (4, .), (., 3), (., 5)


def test_one_model_and_zero_task_vectors():
    layers = three_layers()
    merged = TiesMerging(scaling_factor=1.0, threshold=100).run({name: layers[name] for name in ("_pretrained_", "a")})
    assert same_tensors(merged.state_dict(), layers["a"].state_dict())
    layers = {name: linear([1.0, 1.0], [1.0]) for name in layers}
    assert same_tensors(TiesMerging().run(layers).state_dict(), layers["a"].state_dict())


def test_threads_give_the_same_bits():
    models = make_models()
    serial = TiesMerging().run(models, Runtime(executor=SerialExecutor()))
    assert same_tensors(
        serial.state_dict(), TiesMerging().run(models, Runtime(executor=ThreadExecutor(2))).state_dict()
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threshold": -1}, r"threshold must be a fraction in \(0, 1\] .* got -1"),
        ({"merge_func": "median"}, "merge_func must be one of sum, mean, max; got 'median'"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        TiesMerging(**options)


def test_an_unknown_removed_key_is_named():
    with pytest.raises(ValueError, match=r"remove_keys names 'biases', .* did you mean 'bias'"):
        TiesMerging(remove_keys=["biases"]).run(three_layers())
