"""Files written tensor by tensor are those that safetensors writes at once."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from fusion_bench.models.tensor_file import Form, TensorFile

DTYPES = [torch.float64, torch.float32, torch.bfloat16, torch.float16, torch.int64, torch.uint8, torch.bool]
names = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=6)
shapes = st.lists(st.integers(0, 3), max_size=3)


@settings(max_examples=40, deadline=None)
@given(
    forms=st.dictionaries(names, st.tuples(st.sampled_from(DTYPES), shapes), max_size=6),
    order=st.randoms(),
    pt=st.booleans(),
)
def test_tensors_come_back_in_whatever_order_they_were_written(tmp_path_factory, forms, order, pt):
    tensors = {
        name: torch.arange(torch.Size(shape).numel()).reshape(shape).to(dtype) for name, (dtype, shape) in forms.items()
    }
    path = tmp_path_factory.mktemp("file") / "a" / "model.safetensors"
    file = TensorFile(path, {name: Form.of(t) for name, t in tensors.items()}, {"format": "pt"} if pt else None)
    file.create()
    for name in order.sample(list(tensors), len(tensors)):
        file.write(name, tensors[name])
    read = load_file(path)
    assert set(read) == set(tensors)
    assert all(read[name].dtype == t.dtype and torch.equal(read[name], t) for name, t in tensors.items())


def test_the_bytes_are_those_of_safetensors(tmp_path):
    tensors = {"b": torch.randn(3, 4), "a": torch.randn(5).bfloat16(), "i": torch.arange(3), "s": torch.tensor(2.0)}
    file = TensorFile(tmp_path / "ours", {name: Form.of(t) for name, t in tensors.items()}, {"format": "pt"})
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda name: file.write(name, tensors[name]), list(tensors) * 2))  # twice does no harm
    save_file(tensors, tmp_path / "theirs", metadata={"format": "pt"})
    assert Path(tmp_path / "ours").read_bytes() == Path(tmp_path / "theirs").read_bytes()


def test_another_shape_or_dtype_is_refused(tmp_path):
    file = TensorFile(tmp_path / "f", {"a": Form(torch.float32, (2,))})
    with pytest.raises(ValueError, match=r"'a' as torch.float32 of shape \(2,\), got torch.float64 of shape \(2,\)"):
        file.write("a", torch.zeros(2, dtype=torch.float64))
    with pytest.raises(ValueError, match=r"got torch.float32 of shape \(3,\)"):
        file.write("a", torch.zeros(3))
