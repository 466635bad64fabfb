"""Checks what OPCM on Ray actors adds; the mathematics of both classes is checked in ``test_opcm.py``."""

import copy
import gc
import json
import sys

import pytest
import torch
from helpers import HashTaskPool, files_of, make_models, same_tensors
from oracle_files import ORACLE, TASKS
from ray_sessions import deadly, start_ray_for_tests

from fusion_bench.callbacks.standard import standard_callbacks
from fusion_bench.method.opcm import opcm, opcm_general
from fusion_bench.method.opcm.ties_merging import ContinualTiesMerging
from fusion_bench.method.simple_average import SimpleAverage
from fusion_bench.modelpool.clip_vision import CLIPVisionModelPool
from fusion_bench.models.checkpoint import open_checkpoint
from fusion_bench.runtime import Callback, Runtime
from fusion_bench.utils.executors import SerialExecutor, ThreadExecutor
from fusion_bench.utils.ray_executor import RayExecutor

SERIAL = Runtime(executor=SerialExecutor())


def run(**options):
    return opcm_general.OPCM(shuffle_order=False, **options)


def oracle_pool(pool_class=CLIPVisionModelPool):
    return pool_class({name: str(ORACLE / name) for name in ("_pretrained_", *TASKS)})


def test_without_actors_it_gives_the_bits_of_the_plain_class():
    models = make_models()
    assert same_tensors(run().run(models).state_dict(), opcm.OPCM(shuffle_order=False).run(models).state_dict())


def test_a_negative_number_of_actors_is_refused():
    with pytest.raises(ValueError, match="num_ray_actors must be 0"):
        run(num_ray_actors=-1)


def test_an_address_without_actors_is_refused():
    with pytest.raises(ValueError, match="ray_address='auto' needs num_ray_actors"):
        run(ray_address="auto")


def test_without_ray_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ImportError, match="num_ray_actors > 0 needs Ray: pip install"):
        run(num_ray_actors=1).run(make_models())


# ---- with one Ray for all


@pytest.fixture(scope="module")
def ray():
    yield (module := start_ray_for_tests())
    module.shutdown()


@pytest.fixture(scope="module")
def actors(ray):
    """Two actors that outlive the runs of a module, as starting them takes seconds."""

    class Lasting(RayExecutor):
        def __exit__(self, *error):
            pass

    executor = Lasting(2)
    yield executor
    executor.shutdown()


@pytest.fixture(scope="module")
def serial():
    """The oracle's models, merged in turn."""
    return run().run(oracle_pool(), SERIAL).state_dict()


@pytest.mark.slow
def test_the_number_of_actors_starts_and_ends_them(ray):
    models = make_models()
    before = copy.deepcopy({name: dict(model.state_dict()) for name, model in models.items()})
    steps = run(num_ray_actors=2).steps(models)
    events = list(steps)
    assert same_tensors(events[-1].model.state_dict(), run().run(models, SERIAL).state_dict())
    for name, model in models.items():
        assert same_tensors(model.state_dict(), before[name])
    assert ray.is_initialized()


class LiveTensors(Callback):
    """Bytes of all tensors of this process after each step."""

    def __init__(self):
        self.bytes = []

    def on_step(self, event):
        gc.collect()
        tensors = [found for found in gc.get_objects() if type(found) in (torch.Tensor, torch.nn.Parameter)]
        storages = {tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes() for tensor in tensors}
        self.bytes.append(sum(storages.values()))


def live_tensors(executor, models):
    pool = CLIPVisionModelPool(
        {"_pretrained_": str(ORACLE / "_pretrained_")}
        | {f"model_{index}": str(ORACLE / TASKS[index % len(TASKS)]) for index in range(models)}
    )
    watch = LiveTensors()
    run().run(pool, Runtime(executor=executor, callbacks=[watch]))
    return watch.bytes


@pytest.mark.parametrize("executor", [SerialExecutor(), ThreadExecutor(2)])
def test_memory_is_flat_in_the_number_of_models(executor):
    found = live_tensors(executor, 10)
    assert max(found[2:-1]) == min(found[2:-1])


@pytest.mark.slow
def test_memory_of_the_process_that_drives_actors_is_flat(actors):
    found = live_tensors(actors, 10)
    assert max(found[2:-1]) == min(found[2:-1])


@pytest.mark.slow
@pytest.mark.parametrize("method", [ContinualTiesMerging(shuffle_order=False), SimpleAverage()])
def test_every_method_runs_on_actors_without_knowing(actors, method):
    on_actors = method.run(oracle_pool(), Runtime(executor=actors)).state_dict()
    assert same_tensors(on_actors, method.run(oracle_pool(), SERIAL).state_dict())


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_on_actors(actors, dtype, tmp_path):
    pool = oracle_pool()
    for name in pool.all_model_names:
        pool.load_model(name).to(dtype).save_pretrained(tmp_path / name)
    halves = CLIPVisionModelPool({name: str(tmp_path / name) for name in pool.all_model_names})
    merged = run().run(halves, Runtime(executor=actors)).state_dict()
    assert {tensor.dtype for tensor in merged.values()} == {dtype}
    assert same_tensors(merged, run().run(halves, SERIAL).state_dict())


@pytest.mark.slow
def test_actors_write_their_shards_and_the_run_its_usual_files(actors, serial, tmp_path):
    from transformers import CLIPVisionModel

    method, indices = run(), []

    class Watch(Callback):
        def on_step(self, event):
            indices.append(event.index)

    tasks = HashTaskPool(TASKS)
    for name, executor in (("ray", actors), ("serial", SerialExecutor())):
        callbacks = [*standard_callbacks(method, taskpool=tasks, log_dir=tmp_path / name), Watch()]
        method.run(oracle_pool(), Runtime(executor=executor, callbacks=callbacks, log_dir=tmp_path / name))
    assert indices == [0, 1, 2, 3] * 2
    reports = [{k: v for k, v in files_of(tmp_path / name).items() if "/" not in k} for name in ("ray", "serial")]
    assert reports[0] == reports[1]  # metrics, trace and accuracies of every step
    assert "report_2.json" in reports[0]
    checkpoint = tmp_path / "ray" / "checkpoints" / "merged_model_3"
    index = json.loads((checkpoint / "model.safetensors.index.json").read_text())
    shards = [f"model-0000{number}-of-00002.safetensors" for number in (1, 2)]
    assert sorted(set(index["weight_map"].values())) == shards
    sizes = [
        sum(t.nbytes for n, t in open_checkpoint(checkpoint, "").items() if index["weight_map"][n] == s) for s in shards
    ]
    assert sum(sizes) == index["metadata"]["total_size"]
    loaded = CLIPVisionModel.from_pretrained(checkpoint).state_dict()
    assert same_tensors({name.removeprefix("vision_model."): t for name, t in loaded.items()}, _bare(serial))
    state = list((tmp_path / "ray" / "resume").rglob("*.safetensors"))
    assert len(state) == 3  # where it is, and a part for each actor
    assert not list(tmp_path.rglob(".partial-*"))


@pytest.mark.slow
def test_a_run_goes_on_with_another_executor(actors, serial, tmp_path):
    class StopAt(Callback):
        def on_step(self, event):
            if event.index == stop:
                raise KeyboardInterrupt

    for stop, executor in ((1, actors), (2, SerialExecutor()), (3, actors)):
        with pytest.raises(KeyboardInterrupt):
            run().run(
                oracle_pool(),
                Runtime(executor=executor, log_dir=tmp_path, resume=stop > 1, callbacks=[StopAt()]),
            )
    merged = run().run(oracle_pool(), Runtime(executor=actors, log_dir=tmp_path, resume=True))
    assert same_tensors(merged.state_dict(), serial)


@pytest.mark.slow
def test_an_actor_killed_by_sigkill_during_a_step_changes_nothing(actors, serial, tmp_path):
    class Deadly(CLIPVisionModelPool):
        def load_params(self, name):
            params = super().load_params(name)
            if name != "task_c":
                return params
            return deadly(params, "encoder.layers.0.mlp.fc1.weight", tmp_path / "died")

    # Such tensors are in no file: Ray would carry copies that harm nobody, so they are handed over as they are.
    actors.share, share = lambda params, owner, files=(): params, actors.share
    try:
        merged = run().run(oracle_pool(Deadly), Runtime(executor=actors)).state_dict()
    finally:
        actors.share = share
    assert (tmp_path / "died").exists()
    assert same_tensors(merged, serial)


@pytest.mark.slow
def test_an_actor_killed_by_ray_during_a_step_changes_nothing(actors, ray, serial):
    killed = []

    class Kill(Callback):
        def on_progress(self, done, total):
            if done == 2 and len(killed) < 2:
                killed.append(actors._handles[len(killed)])
                ray.kill(killed[-1])

    merged = run().run(oracle_pool(), Runtime(executor=actors, callbacks=[Kill()])).state_dict()
    assert len(killed) == 2
    assert same_tensors(merged, serial)


def _bare(state):
    return {name.removeprefix("vision_model."): tensor for name, tensor in state.items()}
