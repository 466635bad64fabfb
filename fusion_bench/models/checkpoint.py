"""The weights in a model directory: read memory-mapped, written atomically as safetensors."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from fusion_bench.functional.params import LazyParams, Params
from fusion_bench.models.mapped import MappedTensors, tensor_names
from fusion_bench.models.tensor_file import Form, TensorFile
from fusion_bench.utils.executors import Executor, SerialExecutor
from fusion_bench.utils.files import atomic_directory, read_json, write_json

SAFETENSORS = "model.safetensors"
SAFETENSORS_INDEX = "model.safetensors.index.json"
LEGACY = "pytorch_model.bin"
LEGACY_INDEX = "pytorch_model.bin.index.json"


def open_checkpoint(directory: Path, owner: str) -> Params:
    """The tensors in a model directory under the names they are stored by; memory-mapped where the format allows.

    Args:
        directory: holds ``model.safetensors``, or shards and ``model.safetensors.index.json``, or the same as
            ``pytorch_model.bin``, of which only tensors are read.
        owner: whose directory it is, as the start of an error message: ``"model 'mnist'"``.

    Raises:
        FileNotFoundError: if the directory or a shard is missing, or the directory holds no weights.
        ValueError: if a file is empty, truncated or corrupt; names the file and, where known, both sizes.
    """
    files = weight_files(directory, owner)
    if files[0].suffix == ".bin":
        return {name: tensor for file in files for name, tensor in _read_legacy(file, owner).items()}
    index = directory / SAFETENSORS_INDEX
    held = {name: (file, name) for file in files for name in tensor_names(file, owner)}
    if files != [directory / SAFETENSORS]:
        for name, shard in _weight_map(index, owner).items():
            if name not in held:
                raise ValueError(f"{owner}: {index} says that {shard} holds the tensor {name!r}, which it does not")
    return MappedTensors(held)


def weight_files(directory: Path, owner: str) -> list[Path]:
    """The files that hold the weights of a model directory, shards in the order of their names.

    Raises:
        FileNotFoundError: if there is no such directory, it holds no weights, or a shard is missing.
    """
    if not directory.is_dir():
        raise FileNotFoundError(f"{owner}: there is no directory {directory}")
    for single, index in ((SAFETENSORS, SAFETENSORS_INDEX), (LEGACY, LEGACY_INDEX)):
        if (directory / single).is_file():
            return [directory / single]
        if (directory / index).is_file():
            shards = sorted(set(_weight_map(directory / index, owner).values()))
            missing = [shard for shard in shards if not (directory / shard).is_file()]
            if missing:
                raise FileNotFoundError(
                    f"{owner}: the shard {directory / missing[0]} is missing; {index} lists {len(shards)} shards"
                )
            return [directory / shard for shard in shards]
    raise FileNotFoundError(
        f"{owner}: {directory} holds no weights; looked for "
        + ", ".join((SAFETENSORS, SAFETENSORS_INDEX, LEGACY, LEGACY_INDEX))
    )


def save_module(model: nn.Module, path: Path, **kwargs: Any) -> None:
    """Write a model directory, atomically: in the HF layout for a module that has one, else ``model.safetensors``.

    Args:
        model: the module; tensors that several of its names share are written once.
        path: the directory, replaced if it exists.
        kwargs: options of ``save_pretrained``, such as ``max_shard_size``.

    Raises:
        TypeError: if ``kwargs`` are given for a module without ``save_pretrained``.
    """
    from safetensors.torch import save_model

    if callable(getattr(model, "save_pretrained", None)):
        with atomic_directory(path) as directory:
            model.save_pretrained(directory, **kwargs)  # type: ignore[operator]
        return
    if kwargs:
        raise TypeError(
            f"a {type(model).__name__} has no save_pretrained, so it takes no save options: {sorted(kwargs)}"
        )
    with atomic_directory(path) as directory:
        save_model(model, str(directory / SAFETENSORS))


def save_params(params: Params, directory: Path, executor: Executor | None = None) -> None:
    """Write tensors into an existing directory: ``model.safetensors``, or one shard an owner and their index, last.

    Tensors that are computed on demand are computed once each. Where their shapes are known before, they are written as
    they are computed, so that memory holds no more than those in work.

    Args:
        params: the tensors.
        directory: where they go.
        executor: computes and writes the tensors; its processes have to see the directory. None does so in turn.
    """
    lazy, like = _with_forms(params)
    forms = {name: Form.of(like[name]) for name in lazy}
    owner_of = {name: lazy.owner_of(name) for name in forms}
    owners = sorted(set(owner_of.values())) or [0]
    file_names = {owners[0]: SAFETENSORS} if len(owners) == 1 else _shard_names(owners)
    files = {}
    for owner, file_name in file_names.items():
        owned = {name: form for name, form in forms.items() if owner_of[name] == owner}
        files[owner] = TensorFile(directory.absolute() / file_name, owned, metadata={"format": "pt"})
        files[owner].create()

    def write(name: str) -> None:
        files[owner_of[name]].write(name, lazy[name])

    largest_first = sorted(forms, key=lambda name: -forms[name].size)
    (executor or SerialExecutor()).map(write, largest_first, owner_of=owner_of)
    if len(owners) > 1:
        total = sum(form.size for form in forms.values())
        weight_map = {name: file_names[owner_of[name]] for name in forms}
        write_json(directory / SAFETENSORS_INDEX, {"metadata": {"total_size": total}, "weight_map": weight_map})


def _with_forms(params: Params) -> tuple[LazyParams, Params]:
    """The tensors, and tensors of the same shapes and dtypes; they are computed where nothing else tells these."""
    if isinstance(params, LazyParams) and params.like is not None:
        return params, params.like
    held = {name: params[name] for name in params} if isinstance(params, LazyParams) else params
    return LazyParams(held, held.__getitem__), held


def _shard_names(owners: Sequence[int]) -> dict[int, str]:
    """The file of each owner, as Hugging Face numbers them."""
    return {owner: f"model-{i:05d}-of-{len(owners):05d}.safetensors" for i, owner in enumerate(owners, start=1)}


def _weight_map(index: Path, owner: str) -> dict[str, str]:
    content = read_json(index)
    weight_map = content.get("weight_map") if isinstance(content, Mapping) else None
    if not isinstance(weight_map, Mapping) or not weight_map:
        raise ValueError(f"{owner}: {index} has no 'weight_map' from tensor names to shards")
    for shard in weight_map.values():
        if not isinstance(shard, str) or Path(shard).name != shard:
            raise ValueError(f"{owner}: {index} names the shard {shard!r}, which is not a file name")
    return dict(weight_map)


def _read_legacy(path: Path, owner: str) -> dict[str, Tensor]:
    """The tensors of a ``.bin`` file; nothing in it is ever executed."""
    size = path.stat().st_size
    try:
        # Files written before PyTorch 1.6 are no zip archives and cannot be mapped.
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except (RuntimeError, OSError, EOFError, ValueError, pickle.UnpicklingError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(
            f"{owner}: {path} ({size} bytes) is truncated, corrupt or no plain state dict: {reason}"
        ) from error
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise ValueError(f"{owner}: {path} does not hold a state dict, i.e. tensors by name")
    return dict(state)
