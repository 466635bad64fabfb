"""Updates of tensors of one shape, computed together where that pays: on an accelerator, not on a processor."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from fusion_bench.method.state import Update

_ENTRIES = 1 << 24  # of a stack: 28 matrices of 768 x 768, or 7 of 768 x 3072; some GiB of work space in float64


def pays_to_stack(device: torch.device) -> bool:
    """Whether matrices are better projected many at a time.

    A processor does them faster one by one, each on a core of its own with the work space in its cache:
    ``benchmarks/kernels.py``.
    """
    return device.type != "cpu"


def stacks_of(tensors: Mapping[str, Tensor], entries: int = _ENTRIES) -> list[list[str]]:
    """The names of tensors of one shape and dtype, in groups of at most ``entries`` entries, or of one tensor."""
    alike: dict[tuple[torch.Size, torch.dtype], list[str]] = {}
    for name, tensor in tensors.items():
        alike.setdefault((tensor.shape, tensor.dtype), []).append(name)
    stacks = []
    for (shape, _), names in alike.items():
        count = max(1, entries // max(1, shape.numel()))
        stacks += [names[start : start + count] for start in range(0, len(names), count)]
    return stacks


class StackedUpdates:
    """Hands out the update of one name after the other; those of a stack are computed when the first is asked for.

    Args:
        stacks: the names, each in one stack and asked for once.
        compute: the updates of the names of a stack, in their order.
    """

    def __init__(self, stacks: Sequence[Sequence[str]], compute: Callable[[Sequence[str]], Sequence[Update]]) -> None:
        self._compute = compute
        self._stack_of = {name: stack for stack in stacks for name in stack}
        self._lock = threading.Lock()
        self._ready: dict[str, Update] = {}

    def __contains__(self, name: object) -> bool:
        return name in self._stack_of

    def __call__(self, name: str) -> Update:
        """The update of a name; other threads wait while its stack is computed."""
        with self._lock:
            if name not in self._ready:
                stack = self._stack_of[name]
                self._ready.update(zip(stack, self._compute(stack), strict=True))
            return self._ready.pop(name)
