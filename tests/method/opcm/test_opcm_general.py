"""Checks what OPCM on Ray actors adds; the mathematics of both classes is checked in ``test_opcm.py``."""

import copy
import sys

import pytest
from helpers import make_models, same_tensors

from fusion_bench.method.opcm import opcm, opcm_general
from fusion_bench.runtime import Runtime
from fusion_bench.utils import ray_executor


def run(**options):
    return opcm_general.OPCM(shuffle_order=False, **options)


def test_without_actors_it_gives_the_bits_of_the_plain_class():
    models = make_models()
    assert same_tensors(run().run(models).state_dict(), opcm.OPCM(shuffle_order=False).run(models).state_dict())


def test_a_negative_number_of_actors_is_refused():
    with pytest.raises(ValueError, match="num_ray_actors must be 0"):
        run(num_ray_actors=-1)


def test_without_ray_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ImportError, match="num_ray_actors > 0 needs Ray: pip install"):
        run(num_ray_actors=1).run(make_models())


def test_the_actors_end_with_the_steps(monkeypatch):
    ended = []
    monkeypatch.setattr(
        ray_executor.RayExecutor, "map", lambda self, function, names, tick: {n: function(n) for n in names}
    )
    monkeypatch.setattr(ray_executor.RayExecutor, "shutdown", lambda self: ended.append(self.actors))
    steps = run(num_ray_actors=3).steps(make_models(), Runtime())
    next(steps)
    assert ended == []
    steps.close()
    assert ended == [3]


@pytest.mark.slow
def test_ray_gives_the_same_bits_and_leaves_the_models_alone():
    ray = pytest.importorskip("ray")
    models = make_models()
    before = copy.deepcopy({name: dict(model.state_dict()) for name, model in models.items()})
    assert same_tensors(run().run(models).state_dict(), run(num_ray_actors=2).run(models).state_dict())
    for name, model in models.items():
        assert same_tensors(model.state_dict(), before[name])
    assert not ray.is_initialized()
