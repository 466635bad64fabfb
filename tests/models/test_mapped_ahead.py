"""Reading ahead asks for the bytes of the tensor, and for nothing else."""

import os
import pickle

import pytest
import torch
from helpers import make_models
from safetensors.torch import save_file

from fusion_bench.method.opcm.task_arithmetic import ContinualTaskArithmetic
from fusion_bench.modelpool import BaseModelPool
from fusion_bench.models.mapped import MappedTensors
from fusion_bench.runtime import Runtime
from fusion_bench.utils.executors import SerialExecutor

pytestmark = pytest.mark.skipif(not hasattr(os, "posix_fadvise"), reason="needs posix_fadvise")


@pytest.fixture
def asked(monkeypatch):
    """The bytes that were asked for."""
    found = []

    def advise(descriptor, offset, length, advice):
        assert advice == os.POSIX_FADV_WILLNEED
        found.append(os.pread(descriptor, length, offset))

    monkeypatch.setattr(os, "posix_fadvise", advise)
    return found


def test_the_bytes_of_a_tensor(tmp_path, asked):
    tensors = {"a": torch.arange(5.0), "b": torch.arange(7).to(torch.int16)}
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    mapped = MappedTensors({f"new_{name}": (tmp_path / "model.safetensors", name) for name in tensors})
    for name in ("a", "b", "a"):
        mapped.read_ahead(f"new_{name}")
        assert asked.pop() == tensors[name].numpy().tobytes()
    pickle.loads(pickle.dumps(mapped)).read_ahead("new_b")
    assert asked == [tensors["b"].numpy().tobytes()]


def test_the_next_model_is_read_while_one_is_merged(tmp_path, asked):
    class Stored(BaseModelPool):
        def load_params(self, name):
            path = tmp_path / f"{name}.safetensors"
            if not path.exists():
                save_file(dict(self.get_model_config(name).state_dict()), path)
            return MappedTensors({key: (path, key) for key in super().load_params(name)})

    models = make_models(["_pretrained_", "a", "b"])
    steps = ContinualTaskArithmetic(shuffle_order=False).steps(Stored(models), Runtime(executor=SerialExecutor()))
    next(steps)
    assert sorted(asked) == sorted(tensor.numpy().tobytes() for tensor in models["b"].state_dict().values())
    next(steps)
    assert len(asked) == len(models["b"].state_dict())  # nothing comes after the last
