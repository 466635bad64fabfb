import sys

import pytest
import torch

from fusion_bench.utils.ray_executor import RayExecutor


def test_needs_an_actor():
    with pytest.raises(ValueError, match="at least 1, got 0"):
        RayExecutor(0)


def test_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with RayExecutor(1) as executor, pytest.raises(ImportError, match=r"pip install 'fusion_bench\[ray\]'"):
        executor.map(str, ["a"])


@pytest.mark.slow
def test_maps_names_in_order_and_stops_what_it_started():
    ray = pytest.importorskip("ray")
    tensors = {name: torch.arange(3.0) * index for index, name in enumerate("abcde")}
    ticks = []

    def halve(name):
        if name == "fails":
            raise KeyError(name)
        return tensors[name] / 2

    with RayExecutor(2) as executor:
        results = executor.map(halve, list("edcba"), tick=lambda *done: ticks.append(done))
        assert list(results) == list("edcba")
        for name, result in results.items():
            assert torch.equal(result, tensors[name] / 2)
            result += 1  # results are the caller's own
        assert ticks == [(done, 5) for done in range(1, 6)]
        with pytest.raises(KeyError, match="fails"):
            executor.map(halve, ["a", "fails"])
        assert executor.map(halve, ["b"]).keys() == {"b"}
    assert not ray.is_initialized()
    assert float(tensors["b"].sum()) == 3


@pytest.mark.slow
def test_leaves_a_running_ray_alone():
    ray = pytest.importorskip("ray")
    ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False)
    try:
        with RayExecutor(1) as executor:
            assert executor.map(str.upper, ["a"]) == {"a": "A"}
        assert ray.is_initialized()
    finally:
        ray.shutdown()
