"""A safetensors file that is written tensor by tensor, in any order, from several threads or one other process."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from fusion_bench.utils.files import naming_a_full_disk, start_writing_back

_LENGTH_BYTES = 8  # the file starts with the length of its JSON header
_ALIGNMENT = 8
_NAMES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.float8_e4m3fn: "F8_E4M3",
    torch.float8_e5m2: "F8_E5M2",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}


class Form(NamedTuple):
    """What is known of a tensor before it is computed."""

    dtype: torch.dtype
    shape: tuple[int, ...]

    @classmethod
    def of(cls, tensor: Tensor) -> Form:
        """The form of a tensor."""
        return cls(tensor.dtype, tuple(tensor.shape))

    @property
    def size(self) -> int:
        """Bytes of the data."""
        return self.dtype.itemsize * torch.Size(self.shape).numel()


class TensorFile:
    """Where each tensor of a file goes; nothing is open, so that it can be sent to another process.

    The file is created by the first write. It is complete once every tensor has been written. Writing one again does
    no harm, so a writer that was killed is replaced by one that writes what was not reported done.

    Args:
        path: the file; its directory is created if need be.
        forms: dtype and shape of each tensor.
        metadata: strings to store beside the tensors.
    """

    def __init__(self, path: Path, forms: Mapping[str, Form], metadata: Mapping[str, str] | None = None) -> None:
        self.path = path
        self._forms = dict(forms)
        self._offsets: dict[str, int] = {}
        header: dict[str, object] = {"__metadata__": dict(metadata)} if metadata else {}
        end = 0
        for name in sorted(forms, key=lambda name: (-forms[name].dtype.itemsize, name)):  # wide ones first: aligned
            form = forms[name]
            self._offsets[name] = end
            end += form.size
            header[name] = {
                "dtype": _NAMES[form.dtype],
                "shape": list(form.shape),
                "data_offsets": [self._offsets[name], end],
            }
        text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
        text += b" " * (-len(text) % _ALIGNMENT)
        self._start = len(text).to_bytes(_LENGTH_BYTES, "little") + text
        self._size = len(self._start) + end

    def create(self) -> None:
        """Make the file in its full size, unless it is there; what has not been written reads as zeros."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            if os.fstat(descriptor).st_size != self._size:  # who comes at the same time does the same
                os.ftruncate(descriptor, self._size)
                _write_all(descriptor, memoryview(self._start), 0)
        finally:
            os.close(descriptor)

    def fits(self, name: str, tensor: Tensor) -> bool:
        """Whether a tensor has the form that was announced for it."""
        return Form.of(tensor) == self._forms[name]

    def write(self, name: str, tensor: Tensor) -> None:
        """Put one tensor in its place.

        Raises:
            ValueError: if its dtype or shape is not the one announced.
            OSError: if the disk is full, among others.
        """
        if not self.fits(name, tensor):
            raise ValueError(
                f"{self.path} has room for {name!r} as {_words(self._forms[name])}, got {_words(Form.of(tensor))}"
            )
        data = tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy()
        with naming_a_full_disk(self.path):
            self.create()
            descriptor = os.open(self.path, os.O_WRONLY)
            try:
                offset = len(self._start) + self._offsets[name]
                _write_all(descriptor, data.data, offset)
                start_writing_back(descriptor, offset, len(data))
            finally:
                os.close(descriptor)  # other machines see it from now on

    def __contains__(self, name: object) -> bool:
        return name in self._forms


def _write_all(descriptor: int, data: memoryview, offset: int) -> None:
    while data:
        written = os.pwrite(descriptor, data, offset)
        data, offset = data[written:], offset + written


def _words(form: Form) -> str:
    return f"{form.dtype} of shape {form.shape}"
