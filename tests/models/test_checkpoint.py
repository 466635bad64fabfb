"""Reading model directories memory-mapped, their damage reported, and writing them."""

import json
import pickle

import pytest
import torch
from clip_files import make_clip
from safetensors.torch import load_file, save_file
from torch import nn

from fusion_bench.functional.params import LazyParams
from fusion_bench.models.checkpoint import open_checkpoint, save_module, save_params

OWNER = "model 'mnist'"


@pytest.fixture
def tensors():
    generator = torch.Generator().manual_seed(0)
    return {
        "weight": torch.randn(4, 3, generator=generator),
        "half": torch.randn(5, generator=generator).half(),
        "ids": torch.arange(3),
    }


@pytest.fixture
def directory(tmp_path, tensors):
    save_file(tensors, tmp_path / "model.safetensors")
    return tmp_path


def same(left, right):
    return list(left) == list(right) and all(torch.equal(left[name], right[name]) for name in left)


def test_reads_a_single_file(directory, tensors):
    read = open_checkpoint(directory, OWNER)
    assert len(read) == 3
    assert "weight" in read
    assert "other" not in read
    assert same(dict(sorted(read.items())), dict(sorted(tensors.items())))
    assert read["half"].dtype == torch.float16


def test_tensors_are_views_of_the_mapped_file(directory):
    read = open_checkpoint(directory, OWNER)
    first, second = read["weight"], read["weight"]
    assert first is not second
    assert first.data_ptr() == second.data_ptr()  # both alive: no copy was made


def test_writing_to_a_tensor_never_reaches_the_file_or_another_reader(directory, tensors):
    content = (directory / "model.safetensors").read_bytes()
    open_checkpoint(directory, OWNER)["weight"].zero_()
    assert (directory / "model.safetensors").read_bytes() == content
    assert torch.equal(open_checkpoint(directory, OWNER)["weight"], tensors["weight"])


def test_can_be_pickled(directory, tensors):
    read = open_checkpoint(directory, OWNER)
    assert torch.equal(read["weight"], tensors["weight"])
    assert torch.equal(pickle.loads(pickle.dumps(read))["weight"], tensors["weight"])


@pytest.fixture
def shards(tmp_path, tensors):
    names = {"weight": "model-00001-of-00002.safetensors", "half": "model-00002-of-00002.safetensors"}
    names["ids"] = names["half"]
    for file in set(names.values()):
        save_file({name: tensors[name] for name in names if names[name] == file}, tmp_path / file)
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": names}))
    return tmp_path


def test_reads_shards(shards, tensors):
    assert same(dict(sorted(open_checkpoint(shards, OWNER).items())), dict(sorted(tensors.items())))


def test_names_a_missing_shard(shards):
    (shards / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match=r"model 'mnist'.*model-00002-of-00002\.safetensors is missing"):
        open_checkpoint(shards, OWNER)


def test_names_a_tensor_that_its_shard_lacks(shards):
    index = shards / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"bias": "model-00001-of-00002.safetensors"}}))
    with pytest.raises(ValueError, match=r"'mnist'.*holds the tensor 'bias', which it does not"):
        open_checkpoint(shards, OWNER)


@pytest.mark.parametrize("shard", ["../outside.safetensors", 3])
def test_refuses_shards_outside_the_directory(shards, shard):
    (shards / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"weight": shard}}))
    with pytest.raises(ValueError, match="which is not a file name"):
        open_checkpoint(shards, OWNER)


@pytest.mark.parametrize("content", ["[]", "{}", "{"])
def test_refuses_a_broken_index(shards, content):
    (shards / "model.safetensors.index.json").write_text(content)
    with pytest.raises(ValueError, match=r"model\.safetensors\.index\.json"):
        open_checkpoint(shards, OWNER)


def test_missing_directory_and_missing_weights(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"model 'mnist': there is no directory .*nothing"):
        open_checkpoint(tmp_path / "nothing", OWNER)
    with pytest.raises(FileNotFoundError, match=r"holds no weights; looked for model\.safetensors"):
        open_checkpoint(tmp_path, OWNER)


def test_a_truncated_file_names_both_sizes(directory):
    path = directory / "model.safetensors"
    content = path.read_bytes()
    path.write_bytes(content[:-7])
    with pytest.raises(
        ValueError, match=rf"'mnist'.*truncated: expected {len(content)} bytes, it has {len(content) - 7}"
    ):
        open_checkpoint(directory, OWNER)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "has 0 bytes"),
        (b"abc", "has 3 bytes"),
        (b"x" * 100, "its header alone asks for"),
        (b"\x04" + b"\0" * 7 + b"nope", "is corrupt"),
        (b"\x02" + b"\0" * 7 + b"[]", "is corrupt"),
        (b'\x07\0\0\0\0\0\0\0{"a":1}', "is corrupt"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "is a Git LFS pointer"),
    ],
)
def test_damaged_files_are_named(directory, content, message):
    (directory / "model.safetensors").write_bytes(content)
    with pytest.raises(ValueError, match=rf"model 'mnist': .*model\.safetensors.*{message}"):
        open_checkpoint(directory, OWNER)


def test_a_file_with_bytes_after_its_end_is_corrupt(directory):
    path = directory / "model.safetensors"
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(ValueError, match="is corrupt: expected"):
        open_checkpoint(directory, OWNER)


@pytest.mark.parametrize("zipped", [True, False])
def test_reads_legacy_files(tmp_path, tensors, zipped):
    torch.save(tensors, tmp_path / "pytorch_model.bin", _use_new_zipfile_serialization=zipped)
    assert same(open_checkpoint(tmp_path, OWNER), tensors)


def test_safetensors_win_over_legacy_files(directory, tensors):
    torch.save({"other": torch.zeros(1)}, directory / "pytorch_model.bin")
    assert "weight" in open_checkpoint(directory, OWNER)


class Evil:
    def __reduce__(self):
        return (print, ("executed",))


@pytest.mark.parametrize("value", [{"weight": Evil()}, {"weight": 1}, [1, 2]])
def test_legacy_files_are_never_executed(tmp_path, value, capsys):
    torch.save(value, tmp_path / "pytorch_model.bin")
    with pytest.raises(ValueError, match=r"model 'mnist': .*pytorch_model\.bin"):
        open_checkpoint(tmp_path, OWNER)
    assert "executed" not in capsys.readouterr().out


@pytest.mark.parametrize("keep", [0, 10, 0.5])
def test_damaged_legacy_files_are_named(tmp_path, tensors, keep):
    path = tmp_path / "pytorch_model.bin"
    torch.save(tensors, path)
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content)) if isinstance(keep, float) else keep])
    with pytest.raises(ValueError, match=r"'mnist': .*pytorch_model\.bin \(\d+ bytes\) is truncated"):
        open_checkpoint(tmp_path, OWNER)


def test_save_module_writes_the_hf_layout(tmp_path):
    model = make_clip().vision_model
    save_module(model, tmp_path / "out", max_shard_size="20KB")
    assert (tmp_path / "out" / "config.json").is_file()
    assert len(list((tmp_path / "out").glob("model-*.safetensors"))) > 1
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_save_module_writes_one_file_for_other_modules(tmp_path):
    model = nn.Linear(2, 3)
    save_module(model, tmp_path / "out")
    assert same(
        dict(sorted(load_file(tmp_path / "out" / "model.safetensors").items())),
        dict(sorted(model.state_dict().items())),
    )
    with pytest.raises(TypeError, match=r"Linear has no save_pretrained.*max_shard_size"):
        save_module(model, tmp_path / "out", max_shard_size="1MB")


def test_save_module_leaves_the_old_directory_when_it_fails(tmp_path):
    save_module(nn.Linear(2, 3), tmp_path / "out")
    before = (tmp_path / "out" / "model.safetensors").read_bytes()
    model = make_clip().vision_model
    model.save_pretrained = lambda *args, **kwargs: (_ for _ in ()).throw(OSError("disk full"))
    with pytest.raises(OSError, match="disk full"):
        save_module(model, tmp_path / "out")
    assert (tmp_path / "out" / "model.safetensors").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_save_params_computes_each_tensor_once(tmp_path, tensors):
    asked = []

    def make(name):
        asked.append(name)
        return tensors[name]

    save_params(LazyParams(tensors, make), tmp_path)
    assert asked == list(tensors)
    assert same(dict(sorted(open_checkpoint(tmp_path, OWNER).items())), dict(sorted(tensors.items())))


def test_save_params_takes_mapped_and_transposed_tensors(directory, tensors, tmp_path):
    (tmp_path / "copy").mkdir()
    read = open_checkpoint(directory, OWNER)
    save_params({**read, "transposed": read["weight"].T}, tmp_path / "copy")
    assert torch.equal(open_checkpoint(tmp_path / "copy", OWNER)["transposed"], tensors["weight"].T)
