"""Zero-shot heads on disk, by all that they depend on."""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from fusion_bench.utils.cache import digest
from fusion_bench.utils.files import atomic_path

log = logging.getLogger(__name__)

_VERSION = 2  # of the recipe in models/clip_classifier.py; a change of its results needs a new number
_SAYS_NOTHING = ("_name_or_path", "transformers_version", "dtype", "torch_dtype", "architectures")


@dataclass(frozen=True)
class HeadStore:
    """A directory with one small safetensors file a head."""

    directory: Path

    def load(self, key: str, shape: tuple[int, int]) -> Tensor | None:
        """The head ``(classes, dim)`` that was saved under a key; None if there is none or it is damaged."""
        path = self._path(key)
        if not path.is_file():
            return None
        try:
            with safe_open(path, framework="pt") as file:
                metadata = file.metadata() or {}
                head: Tensor = file.get_tensor("head").clone()
        except (OSError, SafetensorError) as error:
            log.warning("%s is damaged and will be computed again: %s", path, error)
            return None
        if tuple(head.shape) != shape or metadata.get("sha256") != _sha256(head):
            log.warning("%s is damaged and will be computed again: its content is not what was written", path)
            return None
        return head

    def save(self, key: str, head: Tensor) -> None:
        """Keep a head; a disk that cannot be written to is no error."""
        head = head.detach().cpu().contiguous()
        try:
            with atomic_path(self._path(key)) as partial:
                save_file({"head": head}, partial, metadata={"sha256": _sha256(head)})
        except (OSError, SafetensorError) as error:
            log.warning("the zero-shot head is not kept in %s: %s", self.directory, error)

    def _path(self, key: str) -> Path:
        return self.directory / f"{key}.safetensors"


def text_fingerprint(side: Any, tokenizer: Any) -> str | None:
    """Says which text tower, projection and tokenizer heads come from; None for a tokenizer that cannot be told.

    Args:
        side: with ``text_model`` and ``text_projection``.
        tokenizer: its tokenizer.
    """
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        return None
    settings = {key: value for key, value in side.text_model.config.to_dict().items() if key not in _SAYS_NOTHING}
    tensors = {**side.text_model.state_dict(prefix="text_model."), "text_projection": side.text_projection.weight}
    content = [[name, str(tensor.dtype), list(tensor.shape), _sha256(tensor)] for name, tensor in tensors.items()]
    tokens = json.loads(backend.to_str())
    for changes_with_use in ("truncation", "padding"):
        tokens.pop(changes_with_use, None)
    return digest(_VERSION, content, settings, tokens, tokenizer.pad_token_id, tokenizer.padding_side)


def _sha256(tensor: Tensor) -> str:
    return hashlib.sha256(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data).hexdigest()
