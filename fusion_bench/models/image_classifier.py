"""Image classifiers from a directory or the Hub: those of transformers, and the project's small networks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn

from fusion_bench.models.auto import load_hf_classifier
from fusion_bench.models.checkpoint import open_checkpoint
from fusion_bench.models.cifar_resnet import CifarResNet
from fusion_bench.models.hub import model_directory
from fusion_bench.models.mlp import MLP
from fusion_bench.models.small_network import ARCHITECTURE, ARGUMENTS, SmallNetwork
from fusion_bench.models.vgg import VGG
from fusion_bench.utils.files import read_json

SMALL: dict[str, type[SmallNetwork]] = {cls.architecture: cls for cls in (MLP, VGG, CifarResNet)}


def load_image_classifier(path: str | Path, owner: str, *, cache_dir: str | Path | None = None) -> nn.Module:
    """The classifier in a directory or behind a Hub id, in eval mode and in the dtype of its weights.

    Args:
        path: Hub id or local directory; its ``config.json`` says which network it is.
        owner: whose model it is, as the start of an error message: ``"model 'mnist'"``.
        cache_dir: where downloads are kept; None is the Hub client's own cache.

    Raises:
        FileNotFoundError: if there is no such model.
        ValueError: if the files of a small network do not fit together.
    """
    directory = model_directory(path, owner, cache_dir=cache_dir)
    file = directory / "config.json"
    config = read_json(file) if file.is_file() else None
    if not isinstance(config, dict) or ARCHITECTURE not in config:
        return load_hf_classifier(directory, owner)
    return _small(config, directory, owner).eval()


def _small(config: dict[str, Any], directory: Path, owner: str) -> nn.Module:
    name = config[ARCHITECTURE]
    if name not in SMALL:
        raise ValueError(f"{owner}: {directory} holds a network {name!r}; known are {', '.join(SMALL)}")
    tensors = open_checkpoint(directory, owner)
    try:
        model = SMALL[name](**config.get(ARGUMENTS, {}))
        model.load_state_dict({key: tensors[key] for key in tensors})
    except (TypeError, RuntimeError) as error:
        raise ValueError(f"{owner}: config.json and weights in {directory} do not fit: {error}") from error
    dtypes = {tensors[key].dtype for key in tensors if tensors[key].is_floating_point()}
    return model.to(dtypes.pop()) if len(dtypes) == 1 else model
