"""What every layer of a vision tower puts out, collected while a model is scored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from fusion_bench.utils.files import atomic_path


class LayerFeatures:
    """Outputs of encoder layers, gathered on the CPU.

    Args:
        first_token_only: keep the first token of each image (the class token), not all of them.
        max_num: keep this many images; None keeps all.

    Raises:
        ValueError: if ``max_num`` is less than 1.
    """

    def __init__(self, *, first_token_only: bool = True, max_num: int | None = None) -> None:
        if max_num is not None and max_num < 1:
            raise ValueError(f"layer_wise_feature_max_num must be at least 1 or null, got {max_num}")
        self._first_token_only = first_token_only
        self._max_num = max_num
        self._parts: dict[int, list[Tensor]] = {}

    @contextmanager
    def collect(self, model: nn.Module) -> Iterator[None]:
        """Watch the encoder layers of ``model`` inside the block; it is left without hooks."""
        handles = []
        try:
            for index, layer in enumerate(encoder_layers(model)):
                self._parts[index] = []
                handles.append(layer.register_forward_hook(self._hook(index)))
            yield
        finally:
            for handle in handles:
                handle.remove()

    def features(self) -> dict[int, Tensor]:
        """By layer, shape ``(images, dim)``, or ``(images, tokens, dim)`` with all tokens."""
        return {index: torch.cat(parts) for index, parts in self._parts.items() if parts}

    def save(self, directory: Path) -> None:
        """Write ``layer_<i>.safetensors`` with the tensor ``features`` for every layer, each file atomically."""
        from safetensors.torch import save_file

        for index, features in self.features().items():
            with atomic_path(directory / f"layer_{index}.safetensors") as partial:
                save_file({"features": features.contiguous()}, partial)

    def _hook(self, index: int) -> Any:
        def keep(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
            hidden: Tensor = output[0] if isinstance(output, tuple) else output
            kept = sum(len(part) for part in self._parts[index])
            room = len(hidden) if self._max_num is None else min(len(hidden), self._max_num - kept)
            if room > 0:
                chosen = hidden[:room, 0] if self._first_token_only else hidden[:room]
                self._parts[index].append(chosen.detach().to("cpu", copy=True))

        return keep


def encoder_layers(model: nn.Module) -> list[nn.Module]:
    """The layers of the encoder of a vision tower, first to last.

    Raises:
        ValueError: if the model has no ``encoder.layers``.
    """
    modules: Mapping[str, nn.Module] = dict(model.named_modules())
    for name, module in modules.items():
        if isinstance(module, nn.ModuleList) and f".{name}".endswith(".encoder.layers") and "text_model" not in name:
            return list(module)
    raise ValueError(f"layer-wise features need a model with 'encoder.layers'; a {type(model).__name__} has none")
