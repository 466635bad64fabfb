"""A run that keeps its state in files ends like one that keeps it in memory, whatever the method and the executor."""

import copy

import pytest
import torch
from helpers import make_models, same_tensors
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from fusion_bench.functional.params import squared_norm, task_vector
from fusion_bench.method.continual import ContinualAlgorithm
from fusion_bench.method.opcm.fold import next_state, update
from fusion_bench.method.opcm.opcm import OPCM
from fusion_bench.method.opcm.task_arithmetic import ContinualTaskArithmetic
from fusion_bench.method.opcm.ties_merging import ContinualTiesMerging
from fusion_bench.method.opcm.weight_average import ContinualWeightAverage
from fusion_bench.method.state import MergeState
from fusion_bench.models.mapped import MappedTensors
from fusion_bench.runtime import Callback, Runtime
from fusion_bench.utils.executors import SerialExecutor, ThreadExecutor, balanced

METHODS = [OPCM, ContinualTaskArithmetic, ContinualTiesMerging, ContinualWeightAverage]


class Keeps(ContinualAlgorithm):
    """A method that says nothing of its tensors: it builds its state in memory."""

    def merge_step(self, state, incoming, base, map_tensors):
        vectors = map_tensors(lambda name: task_vector(incoming, base.params, name), base.mergeable)
        if state:
            vectors = {name: state.accumulator[name] + vector for name, vector in vectors.items()}
        return MergeState(
            accumulator=vectors, divisor=2.0, count=1, task_vector_norm=1.0, norm_sum=1.0, accumulator_norm=1.0
        )


@pytest.mark.parametrize("method", [*METHODS, Keeps])
@pytest.mark.parametrize("executor", [SerialExecutor(), ThreadExecutor(3)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_files_change_no_bit(tmp_path, method, executor, dtype):
    models = {name: model.to(dtype) for name, model in make_models().items()}
    in_memory = method(shuffle_order=False).run(models, Runtime(executor=SerialExecutor()))
    in_files = method(shuffle_order=False, offload_dir=str(tmp_path)).run(models, Runtime(executor=executor))
    assert same_tensors(in_memory.state_dict(), in_files.state_dict())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("method", [*METHODS, Keeps])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_merged_in_float32_and_rounded_once(tmp_path, method, dtype):
    models = {name: model.to(dtype) for name, model in make_models().items()}
    widened = {name: copy.deepcopy(model).float() for name, model in models.items()}
    expected = method(shuffle_order=False).run(widened).state_dict()
    for offload_dir in (None, str(tmp_path)):
        merged = method(shuffle_order=False, offload_dir=offload_dir).run(models).state_dict()
        assert same_tensors(merged, {name: tensor.to(dtype) for name, tensor in expected.items()})


def test_the_accumulator_is_in_files_of_one_state_at_a_time(tmp_path):
    seen = []

    class Watch(OPCM):
        def merge_step(self, state, incoming, base, map_tensors):
            seen.append(state)
            return super().merge_step(state, incoming, base, map_tensors)

    steps = Watch(shuffle_order=False, offload_dir=str(tmp_path)).steps(make_models())
    for _ in range(3):
        next(steps)
        assert len(list(tmp_path.rglob("*.safetensors"))) == 1
    for state in seen[1:]:
        assert isinstance(state.accumulator, MappedTensors)
        assert all(path.is_relative_to(tmp_path) for path in state.accumulator.paths)
    steps.close()
    assert not list(tmp_path.iterdir())


def test_events_outlive_the_files(tmp_path):
    events = list(OPCM(shuffle_order=False, offload_dir=str(tmp_path)).steps(make_models()))
    expected = list(OPCM(shuffle_order=False).steps(make_models()))
    for event, other in zip(events, expected, strict=True):
        assert same_tensors(event.params, other.params)


@pytest.mark.parametrize("before", [True, False])
def test_a_run_in_files_goes_on_in_memory_and_the_other_way_round(tmp_path, before):
    class Stop(Callback):
        def on_step(self, event):
            if event.index == 2:
                raise KeyboardInterrupt

    def run(offload, **options):
        method = OPCM(shuffle_order=False, offload_dir=str(tmp_path / "offload") if offload else None)
        return method.run(make_models(), Runtime(log_dir=tmp_path / "log", **options))

    with pytest.raises(KeyboardInterrupt):
        run(before, callbacks=[Stop()])
    merged = run(not before, resume=True).state_dict()
    assert same_tensors(merged, OPCM(shuffle_order=False).run(make_models()).state_dict())
    assert same_tensors(run(before, resume=True).state_dict(), merged)  # there is nothing left to do


@pytest.mark.parametrize("method", [*METHODS, Keeps])
def test_the_state_is_on_its_way_to_the_disk_while_tensors_are_merged(tmp_path, method):
    """When a step ends, only names have to be given."""

    class Look(Callback):
        seen = 0

        def on_step(self, event):
            [file] = (tmp_path / "resume").glob(".partial-state-*/*/*.safetensors")
            saved = load_file(file)
            assert set(saved) == set(make_models()["a"].state_dict())
            self.seen += bool(file.stat().st_nlink == 1)

    look = Look()
    method(shuffle_order=False).run(make_models(), Runtime(log_dir=tmp_path, callbacks=[look]))
    assert look.seen == len(make_models()) - 1
    assert not list((tmp_path / "resume").glob(".partial*"))
    assert len(list((tmp_path / "resume").glob("step_*"))) == 1


class OwnForms(ContinualAlgorithm):
    """A method whose state has tensors of other names and dtypes than the models."""

    def merge_step(self, state, incoming, base, map_tensors):
        def fold(name):
            vector = task_vector(incoming, base.params, name).double()
            return update(vector + state.accumulator[name] if state else vector, squared_norm(vector))

        accumulator = {name: part.accumulator for name, part in map_tensors(fold, base.mergeable).items()}
        accumulator["steps"] = torch.tensor([state.count + 1 if state else 1])
        count = int(accumulator["steps"])
        return MergeState(
            accumulator=accumulator, divisor=2.0, count=count, task_vector_norm=1.0, norm_sum=1.0, accumulator_norm=1.0
        )


def test_a_state_of_any_form_is_saved_and_gone_on_from(tmp_path):
    class Stop(Callback):
        def on_step(self, event):
            if event.index == 2:
                raise KeyboardInterrupt

    expected = OwnForms(shuffle_order=False).run(make_models()).state_dict()
    with pytest.raises(KeyboardInterrupt):
        OwnForms(shuffle_order=False).run(make_models(), Runtime(log_dir=tmp_path, callbacks=[Stop()]))
    [file] = (tmp_path / "resume").glob("step_1/*")
    saved = load_file(file)
    assert int(saved["steps"]) == 2
    assert {tensor.dtype for tensor in saved.values()} == {torch.float64, torch.int64}
    merged = OwnForms(shuffle_order=False).run(make_models(), Runtime(log_dir=tmp_path, resume=True)).state_dict()
    assert same_tensors(merged, expected)


def test_each_map_of_a_step_gives_its_own_updates(tmp_path):
    class Twice(OPCM):
        """Updates all tensors, then its weights once more."""

        def merge_step(self, state, incoming, base, map_tensors):
            def fold(name):
                vector = task_vector(incoming, base.params, name)
                return update(vector, squared_norm(vector))

            def fold_again(name):
                vector = 2 * task_vector(incoming, base.params, name)
                return update(vector, squared_norm(vector)) if name.endswith("weight") else None

            updates = map_tensors(fold, base.mergeable)
            again = map_tensors(fold_again, base.mergeable)
            return next_state(state, updates | {name: one for name, one in again.items() if one}, divisor=1.0)

    alone = Twice(shuffle_order=False).run(make_models())
    saved = Twice(shuffle_order=False).run(make_models(), Runtime(log_dir=tmp_path))
    assert same_tensors(saved.state_dict(), alone.state_dict())


def test_a_saved_state_has_no_tensor_too_many(tmp_path):
    class Some(OPCM):
        """Updates the weights; of the other tensors it asks something in the same map."""

        def merge_step(self, state, incoming, base, map_tensors):
            def fold(name):
                vector = task_vector(incoming, base.params, name)
                return update(vector, squared_norm(vector)) if name.endswith("weight") else float(vector.norm())

            updates = {name: found for name, found in map_tensors(fold, base.mergeable).items() if "weight" in name}
            return next_state(state, updates, divisor=1.0)

    Some(shuffle_order=False).run(make_models(), Runtime(log_dir=tmp_path))
    [file] = (tmp_path / "resume").glob("step_*/*")
    assert set(load_file(file)) == {name for name in make_models()["a"].state_dict() if "weight" in name}


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 100), max_size=12), st.integers(1, 4))
def test_shares_are_balanced_and_the_dearest_come_first(costs, owners):
    names = {f"t{place}": float(cost) for place, cost in enumerate(costs)}
    owner_of = balanced(names, owners)
    assert sorted(owner_of) == sorted(names)
    assert [names[name] for name in owner_of] == sorted(names.values(), reverse=True)
    loads = [sum(names[name] for name in names if owner_of[name] == owner) for owner in range(owners)]
    assert max(loads) - min(loads) <= max([0.0, *names.values()])


def test_tensors_start_dearest_first():
    started = []

    class Recording(SerialExecutor):
        def map(self, function, names, tick=None, owner_of=None):
            started.append(list(names))
            return super().map(function, names, tick, owner_of)

    OPCM(shuffle_order=False).run(make_models(["_pretrained_", "a", "b"]), Runtime(executor=Recording()))
    # weights of linear layers cost their entries times the shorter side: 6·8·6, 8·4·4
    assert started[0] == ["0.weight", "2.weight", "0.bias", "1.weight", "1.bias"]
