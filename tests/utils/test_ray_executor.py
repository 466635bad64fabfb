"""What the executor on Ray actors promises; one Ray serves all tests here."""

import os
import signal
import socket
import sys
import time
from types import SimpleNamespace

import pytest
import torch
from ray_sessions import start_ray_for_tests
from safetensors.torch import save_file

from fusion_bench.models.mapped import MappedTensors
from fusion_bench.utils import ray_executor, ray_session
from fusion_bench.utils.ray_executor import RayExecutor


def test_needs_an_actor():
    with pytest.raises(ValueError, match="at least 1, got 0"):
        RayExecutor(0)


def test_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with RayExecutor(1) as executor, pytest.raises(ImportError, match=r"pip install 'fusion_bench\[ray\]'"):
        executor.map(str, ["a"])


@pytest.fixture(scope="module")
def ray():
    yield (module := start_ray_for_tests())
    module.shutdown()


@pytest.fixture(scope="module")
def actors(ray):
    with RayExecutor(2) as executor:
        yield executor


@pytest.mark.slow
def test_maps_names_in_order_and_raises_the_first_error(actors):
    tensors = {name: torch.arange(3.0) * index for index, name in enumerate("abcde")}
    ticks = []

    def halve(name):
        if name == "fails":
            raise KeyError(name)
        return tensors[name] / 2

    results = actors.map(halve, list("edcba"), tick=lambda *done: ticks.append(done))
    assert list(results) == list("edcba")
    for name, result in results.items():
        assert torch.equal(result, tensors[name] / 2)
        result += 1  # results are the caller's own
    assert ticks == [(done, 5) for done in range(1, 6)]
    with pytest.raises(KeyError, match="fails"):
        actors.map(halve, ["a", "fails"])
    assert actors.map(halve, ["b"]).keys() == {"b"}
    assert float(tensors["b"].sum()) == 3


@pytest.mark.slow
def test_each_tensor_is_computed_by_its_owner_with_one_thread(actors):
    def where(name):
        from threadpoolctl import threadpool_info

        return os.getpid(), torch.get_num_threads(), {pool["num_threads"] for pool in threadpool_info()}

    first = actors.map(where, list("abcd"), owner_of={"a": 0, "b": 1, "c": 1, "d": 0})
    again = actors.map(where, list("dcba"), owner_of={"a": 0, "b": 1, "c": 1, "d": 0})
    assert first["a"][0] == first["d"][0] != first["b"][0] == first["c"][0]
    assert first == again
    assert all(pid != os.getpid() and threads == 1 and pools == {1} for pid, threads, pools in first.values())


@pytest.mark.slow
def test_an_actor_that_is_killed_is_replaced_and_its_work_repeated(actors, ray, tmp_path):
    def square(name):
        mark = tmp_path / "died"
        if name == "5" and not mark.exists():
            mark.write_text(str(os.getpid()))
            os.kill(os.getpid(), signal.SIGKILL)
        return int(name) ** 2

    names = [str(number) for number in range(12)]
    assert actors.map(square, names) == {name: int(name) ** 2 for name in names}
    assert (tmp_path / "died").exists()

    def kill_one(done, total):
        if done == 1:
            ray.kill(actors._handles[1])

    def slow_square(name):
        time.sleep(0.02)
        return int(name) ** 2

    assert actors.map(slow_square, names, tick=kill_one) == {name: int(name) ** 2 for name in names}


@pytest.mark.slow
def test_an_actor_that_dies_again_and_again_ends_the_map(actors, monkeypatch):
    monkeypatch.setattr(ray_executor, "_DEATHS", 2)
    with pytest.raises(RuntimeError, match=r"the Ray actor 0 died 2 times in a row .*out of memory"):
        actors.map(lambda name: os.kill(os.getpid(), signal.SIGKILL), ["a"])
    assert actors.map(str.upper, ["a"]) == {"a": "A"}


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int64])
def test_tensors_in_memory_go_through_the_object_store(actors, dtype):
    tensors = {"whole": torch.arange(6).to(dtype).reshape(2, 3), "none": torch.zeros(0, 2, dtype=dtype)}
    tensors["strided"] = tensors["whole"].T
    shared = actors.share(tensors, "model 'a'")
    assert list(shared) == list(tensors)
    assert len(shared) == 3
    assert shared["whole"].data_ptr() == tensors["whole"].data_ptr()  # nothing is fetched here
    for name, tensor in actors.map(lambda name: shared[name], list(tensors)).items():
        assert tensor.dtype == dtype
        assert torch.equal(tensor, tensors[name])


@pytest.mark.slow
def test_files_are_read_where_they_are_and_a_file_that_is_not_there_is_named(actors, tmp_path):
    save_file({"a": torch.ones(3)}, tmp_path / "model.safetensors")
    mapped = MappedTensors({"a": (tmp_path / "model.safetensors", "a")})
    assert actors.share(mapped, "model 'x'", mapped.paths) is mapped
    assert torch.equal(actors.map(lambda name: mapped[name], ["a"])["a"], torch.ones(3))

    class Longer(type(tmp_path)):
        """A file that is longer here than where the actors look."""

        def stat(self, **options):
            return SimpleNamespace(st_size=super().stat(**options).st_size + 1)

    with pytest.raises(FileNotFoundError, match=r"model 'x': the Ray actor on .* does not see .*model\.safetensors"):
        actors.share(mapped, "model 'x'", [Longer(tmp_path / "model.safetensors")])


@pytest.mark.slow
def test_too_few_cores_are_an_error(actors, monkeypatch):
    with pytest.raises(ValueError, match="4 Ray actors need a core each; Ray has 3 in all"), RayExecutor(4) as more:
        more.map(str, ["a"])
    monkeypatch.setattr(ray_session, "_CORES_SECONDS", 1)
    with pytest.raises(TimeoutError, match="for 1 seconds only 1 of 3 were free"), RayExecutor(2) as more:
        more.map(str, ["a"])
    assert actors.map(str.upper, ["a"]) == {"a": "A"}


@pytest.mark.slow
def test_leaves_a_running_ray_and_its_cores_alone(ray, actors):
    with RayExecutor(1) as executor:
        assert executor.map(str.upper, ["a"]) == {"a": "A"}
    assert ray.is_initialized()
    with RayExecutor(1) as executor:  # the core was given back
        assert executor.map(str.upper, ["b"]) == {"b": "B"}


# ---- addresses


def test_an_address_where_nobody_listens(monkeypatch):
    pytest.importorskip("ray")
    monkeypatch.setattr("ray.is_initialized", lambda: False)
    start = time.monotonic()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(ConnectionError, match=f"no Ray cluster answers at ray_address='{address}': .*ray start --head"):
        RayExecutor(1, address).map(str, ["a"])
    assert time.monotonic() - start < 30


def test_an_address_where_something_else_listens(monkeypatch):
    pytest.importorskip("ray")
    monkeypatch.setattr("ray.is_initialized", lambda: False)
    monkeypatch.setattr(ray_session, "_PROBE_SECONDS", 0.5)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        address = f"127.0.0.1:{listening.getsockname()[1]}"
        with pytest.raises(ConnectionError, match=f"no Ray cluster answers at ray_address='{address}' within 0.5"):
            RayExecutor(1, address).map(str, ["a"])


def test_the_longest_wait_is_half_a_minute():
    assert ray_session._CONNECT_SECONDS + ray_session._PROBE_SECONDS <= 20  # and imports take some seconds
    assert ray_session._CORES_SECONDS <= 15


@pytest.mark.slow
def test_connects_to_a_running_cluster(ray, tmp_path):
    import subprocess

    address = ray.get_runtime_context().gcs_address
    script = f"""
from fusion_bench.utils.ray_executor import RayExecutor
with RayExecutor(1, {address!r}) as executor:
    print(executor.map(str.upper, ["a"]))
"""
    # As a shell would start it: without what Ray's start has put into the environment of this process.
    environment = {name: value for name, value in os.environ.items() if name != "RAY_AUTH_MODE"}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False, env=environment
    )
    assert "{'a': 'A'}" in done.stdout, done.stderr
