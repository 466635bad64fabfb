"""The method that merges nothing."""

import pytest
from helpers import make_models, same_tensors

from fusion_bench.method.dummy import Dummy


@pytest.mark.parametrize(
    ("names", "expected"),
    [(["a", "_pretrained_", "b"], "_pretrained_"), (["a", "b"], "a"), (["_pretrained_"], "_pretrained_"), (["a"], "a")],
)
def test_the_pretrained_model_else_the_first(names, expected):
    models = make_models(names)
    result = Dummy().run(models)
    assert result is not models[expected]
    assert same_tensors(result.state_dict(), models[expected].state_dict())


def test_an_empty_pool():
    with pytest.raises(ValueError, match="the model pool is empty"):
        Dummy().run({})


def test_a_broken_checkpoint_is_named():
    models = make_models(["a"])
    models["a"][0].bias.data[0] = float("inf")
    with pytest.raises(ValueError, match=r"model 'a': tensor '0\.bias' has 1 of 8 entries that are NaN or Inf"):
        Dummy().run(models)
