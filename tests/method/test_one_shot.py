"""What all methods that merge at once share."""

from collections.abc import Mapping
from dataclasses import dataclass

import pytest
import torch
from helpers import make_models, same_tensors
from torch import nn

from fusion_bench.method.one_shot import OneShotAlgorithm
from fusion_bench.runtime import Callback, Runtime


@dataclass(kw_only=True)
class ZeroBiases(OneShotAlgorithm):
    """Sets every bias to zero and leaves the rest as in the base."""

    def merge(self, models: Mapping, base, map_tensors):
        return map_tensors(lambda name: torch.zeros_like(base.params[name]), self.names(base))

    def names(self, base):
        return [name for name in base.mergeable if name.endswith("bias")]


class Failing(ZeroBiases):
    ended = False

    def names(self, base):
        raise RuntimeError("broken")

    def on_run_end(self):
        self.ended = True


class Recorder(Callback):
    def __init__(self):
        self.seen = []

    def on_run_start(self, start):
        self.seen.append(start.order)

    def on_progress(self, done, total):
        self.seen.append((done, total))

    def on_run_end(self):
        self.seen.append("end")


def test_tensors_a_method_leaves_out_stay_as_in_the_base():
    models = make_models(["_pretrained_", "a"])
    merged, base = ZeroBiases().run(models).state_dict(), models["_pretrained_"].state_dict()
    assert list(merged) == list(base)
    for name, tensor in merged.items():
        assert torch.equal(tensor, torch.zeros_like(tensor) if name.endswith("bias") else base[name])


def test_events_and_phases():
    recorder = Recorder()
    runtime = Runtime(callbacks=[recorder])
    ZeroBiases().run(make_models(["_pretrained_", "a", "b"]), runtime)
    assert recorder.seen == [("a", "b"), (1, 2), (2, 2), "end"]
    assert list(runtime.profile.seconds) == ["checking models", "loading", "merging"]


def test_a_failing_run_ends_too():
    method, recorder = Failing(), Recorder()
    with pytest.raises(RuntimeError, match="broken"):
        method.run(make_models(), Runtime(callbacks=[recorder]))
    assert method.ended
    assert recorder.seen[-1] == "end"


def test_integer_buffers_stay_as_in_the_base():
    models = {name: nn.BatchNorm1d(3) for name in ("_pretrained_", "a")}
    models["a"].num_batches_tracked += 5
    assert int(ZeroBiases().run(models).num_batches_tracked) == 0


def test_the_merged_model_shares_no_memory_with_the_pool():
    models = make_models(["_pretrained_", "a"])
    before = {key: tensor.clone() for key, tensor in models["_pretrained_"].state_dict().items()}
    merged = ZeroBiases().run(models)
    with torch.no_grad():
        for parameter in merged.parameters():
            parameter.add_(1.0)
    assert same_tensors(models["_pretrained_"].state_dict(), before)


def broken(change):
    models = make_models(["_pretrained_", "a", "b"])
    change(models)
    return models


@pytest.mark.parametrize(
    ("models", "message"),
    [
        (
            make_models(["a", "b"]),
            r"needs the pretrained model under the name '_pretrained_'; the pool has \['a', 'b'\]",
        ),
        (make_models(["_pretrained_"]), r"no models to merge; it has \['_pretrained_'\]"),
        ({}, r"no models to merge; it has \[\]"),
        (
            broken(lambda models: models["b"][0].weight.data.fill_(float("nan"))),
            "model 'b': tensor '0.weight' has 48 of 48 entries that are NaN or Inf",
        ),
        (
            broken(lambda models: models.update(b=nn.Sequential(nn.Linear(6, 8), nn.LayerNorm(8)))),
            "model 'b' lacks the tensor '2.weight', which '_pretrained_' has",
        ),
        (
            broken(lambda models: models.update(a=models["a"].half())),
            "model 'a': tensor '0.weight' has dtype torch.float16",
        ),
    ],
)
def test_models_that_do_not_fit(models, message):
    with pytest.raises(ValueError, match=message):
        ZeroBiases().run(models)
