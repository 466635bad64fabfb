"""The loss between two models, before and after alignment."""

import json

import pytest
import torch
from nets import inputs_for, make_net

from fusion_bench.method.analysis import LossBarrier
from fusion_bench.method.mudsc import ActivationAlign, WeightAlign, WeightZip
from fusion_bench.method.simple_average import SimpleAverage
from fusion_bench.modelpool import BaseModelPool
from fusion_bench.models.permutation_registry import spec_for
from fusion_bench.models.permuting import permuted_params, random_permutations
from fusion_bench.runtime import Runtime

from .scoring import Distance

IMAGES = inputs_for("mlp", 60)


def scrambled_pair() -> dict:
    """A network, and the same with its units in another order."""
    first, second = make_net("mlp"), make_net("mlp")
    spec = spec_for(first)
    tensors = first.state_dict()
    permutations = random_permutations(spec, tensors, torch.Generator().manual_seed(1))
    second.load_state_dict(permuted_params(tensors, spec, permutations))
    return {"a": first, "b": second}


def measured(models, alignment, **options):
    pool = BaseModelPool(models, train_datasets=dict.fromkeys(models, IMAGES))
    return LossBarrier(alignment=alignment, points=5, **options).measure(pool, Runtime(scorer=Distance(models, IMAGES)))


@pytest.mark.parametrize("alignment", [WeightAlign(), ActivationAlign()])
def test_alignment_removes_the_barrier_of_a_scrambled_network(alignment):
    halfway, curves = measured(scrambled_pair(), alignment)
    assert list(curves.curves) == ["before alignment", "after alignment", "after, statistics corrected"]
    heights = curves.heights()
    assert heights["before alignment"]["union"] > 1e-3
    assert heights["after alignment"]["union"] == pytest.approx(0, abs=1e-8)
    torch.testing.assert_close(halfway(IMAGES), make_net("mlp")(IMAGES), rtol=1e-3, atol=1e-3)


def test_ends_are_the_models_on_every_curve():
    models = {name: make_net("mlp", seed) for seed, name in enumerate("ab")}
    _, curves = measured(models, WeightAlign())
    for surface in curves.curves.values():
        assert surface.loss["a"][0] == pytest.approx(0, abs=1e-8)
        assert surface.loss["b"][-1] == pytest.approx(0, abs=1e-8)


def test_the_middle_of_the_line_is_the_average():
    models = {name: make_net("mlp", seed) for seed, name in enumerate("ab")}
    halfway, curves = measured(models, WeightAlign(statistics="none"))
    expected = Distance(models, IMAGES).evaluate(SimpleAverage().run(models))
    assert float(curves.curves["before alignment"].loss["a"][2]) == pytest.approx(expected["a"]["loss"], rel=1e-5)
    merged = WeightAlign(statistics="none").run(models)
    torch.testing.assert_close(halfway(IMAGES), merged(IMAGES), rtol=1e-4, atol=1e-5)


def test_files(tmp_path):
    models = scrambled_pair()
    runtime = Runtime(scorer=Distance(models, IMAGES), log_dir=tmp_path)
    LossBarrier(points=3, corrected=False).run(models, runtime)
    stored = json.loads((tmp_path / "loss_barrier.json").read_text())
    assert stored["t"] == [0, 0.5, 1]
    assert stored["ends"] == ["a", "b"]
    assert set(stored["barriers"]) == set(stored["curves"]) == {"before alignment", "after alignment"}
    assert len(stored["curves"]["after alignment"]["loss"]["union"]) == 3
    assert (tmp_path / "loss_barrier.png").read_bytes().startswith(b"\x89PNG")


def test_errors():
    models = scrambled_pair()
    with pytest.raises(ValueError, match="only units that are matched one to one have an order"):
        measured(models, WeightZip())
    with pytest.raises(TypeError, match="alignment must be a method that matches units, got a SimpleAverage"):
        measured(models, SimpleAverage())
    with pytest.raises(ValueError, match="points must be at least 3, got 2"):
        LossBarrier(points=2)
