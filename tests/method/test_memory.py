"""What a continual run holds: one accumulator, and a final model that costs no second one."""

import gc
import json
import subprocess
import sys
import weakref
from pathlib import Path

import pytest
import torch
from clip_files import make_clip
from helpers import make_models, same_tensors

from fusion_bench.callbacks.standard import standard_callbacks
from fusion_bench.method.opcm.opcm import OPCM
from fusion_bench.method.opcm.ties_merging import ContinualTiesMerging
from fusion_bench.method.state import Update
from fusion_bench.modelpool import BaseModelPool
from fusion_bench.modelpool.clip_vision import CLIPVisionModelPool
from fusion_bench.runtime import Callback, Runtime
from fusion_bench.utils.executors import SerialExecutor

ROOT = Path(__file__).parents[2]


class Watched(SerialExecutor):
    """Tells after each tensor how many accumulators are alive, beside those in use."""

    def __init__(self):
        self.alive, self.seen = [], []

    def map(self, function, names, tick=None, owner_of=None):
        def watched(name):
            result = function(name)
            if isinstance(result, Update):
                self.seen.append(weakref.ref(result.accumulator))
                self.alive.append(sum(tensor() is not None for tensor in self.seen))
            return result

        return super().map(watched, names, tick, owner_of)


@pytest.mark.parametrize("method", [OPCM, ContinualTiesMerging])
def test_a_step_replaces_the_accumulator_tensor_by_tensor(method):
    executor = Watched()
    method(shuffle_order=False).run(make_models(), Runtime(executor=executor))
    tensors = len(make_models()["a"].state_dict())
    assert len(executor.alive) == 4 * tensors
    assert max(executor.alive) == tensors


def test_the_final_model_takes_the_place_of_the_accumulator():
    executor, alive = Watched(), []

    class Pool(BaseModelPool):
        def build_model(self, params):
            for name in params:
                assert params[name] is not None
                gc.collect()
                alive.append(sum(tensor() is not None for tensor in executor.seen))
            return torch.nn.Identity()

    OPCM(shuffle_order=False).run(Pool(make_models()), Runtime(executor=executor))
    assert alive == [4, 3, 2, 1, 0]


def test_an_event_that_was_kept_keeps_its_tensors():
    kept = []

    class Keep(Callback):
        def on_step(self, event):
            kept.append(event)

    merged = OPCM(shuffle_order=False).run(make_models(), Runtime(callbacks=[Keep()]))
    expected = list(OPCM(shuffle_order=False).steps(make_models()))
    for event, other in zip(kept, expected, strict=True):
        assert same_tensors(event.params, other.params)
    assert same_tensors(merged.state_dict(), kept[-1].params)


def test_reading_what_was_replaced_is_an_error():
    class Late(OPCM):
        def merge_step(self, state, incoming, base, map_tensors):
            following = super().merge_step(state, incoming, base, map_tensors)
            if state:
                _ = state.accumulator["0.weight"]
            return following

    with pytest.raises(KeyError, match=r"'0\.weight' was given up for its Update"):
        Late(shuffle_order=False).run(make_models())


def test_the_model_of_a_checkpoint_is_mapped_and_writing_to_it_reaches_no_file(tmp_path):
    pool = CLIPVisionModelPool({name: make_clip(seed) for seed, name in enumerate(["_pretrained_", "a", "b"])})
    method = OPCM(shuffle_order=False)
    merged = method.run(pool, Runtime(log_dir=tmp_path, callbacks=standard_callbacks(method, log_dir=tmp_path)))
    in_memory = OPCM(shuffle_order=False).run(pool)
    assert same_tensors(merged.state_dict(), in_memory.state_dict())
    file = tmp_path / "checkpoints" / "merged_model_1" / "model.safetensors"
    before = file.read_bytes()
    for parameter in merged.parameters():
        parameter.data.add_(1)
    assert file.read_bytes() == before
    file.unlink()
    assert all(torch.equal(p, q + 1) for p, q in zip(merged.parameters(), in_memory.parameters(), strict=True))


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize(("kind", "bar"), [("threads", 1.75), ("offload", 0.75)])
def test_memory_of_a_whole_run(tmp_path, kind, bar):
    """In sizes of a checkpoint of width 512; at 768 the bars are 1.5 and 0.5, as temporaries weigh less there."""
    from benchmarks.synthetic import write_suite

    write_suite(tmp_path, 2, "wide512", scale=1e-3, seed=0)
    command = [sys.executable, "-m", "benchmarks.scale_run", kind, str(tmp_path), "--models", "2", "--files", "2"]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    assert json.loads(done.stdout.splitlines()[-1])["peak"] < bar
