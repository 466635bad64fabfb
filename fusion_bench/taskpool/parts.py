"""Batches scored on a processor in small parts, side by side in threads.

What a layer puts out for a few images stays in the cache of a core until the next layer reads it, and a thread that
has images of its own need not wait for others after every operation.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager

import torch
from torch import Tensor, nn

from fusion_bench.dataset.kept_pixels import Batch
from fusion_bench.utils.executors import one_torch_thread
from fusion_bench.utils.onednn import FastLinear

_BYTES = 1 << 20  # of encoded images in a part
_LEAST, _MOST = 8, 32  # images in a part

Logits = Callable[[Tensor], list[Tensor]]
Scored = Iterator[tuple[list[Tensor], Tensor]]  # logits of each tower, labels
Context = Callable[[], AbstractContextManager[object]]


def can_be_split(tower: nn.Module) -> bool:
    """Whether threads may call a tower at the same time, on any share of a batch: one of transformers without hooks."""
    from transformers import PreTrainedModel

    hooked = any(module._forward_hooks or module._forward_pre_hooks for module in tower.modules())
    return isinstance(tower, PreTrainedModel) and not tower.training and not hooked


def logits_in_parts(logits: Logits, batches: Iterator[Batch], context: Context) -> Scored:
    """Logits and labels batch by batch; the parts of the next batch are begun before the last one is asked for.

    Args:
        logits: from encoded images to the logits of each tower; called in threads, in inference mode.
        batches: encoded images and labels on the CPU.
        context: in which ``logits`` is called; every thread enters one of its own.
    """
    waiting: deque[tuple[list[Future[list[Tensor]]], Tensor]] = deque()
    with one_torch_thread() as threads, _workers(threads, context) as pool:
        for encoded, labels in batches:
            waiting.append(([pool.submit(logits, part) for part in torch.split(encoded, part_size(encoded))], labels))
            if len(waiting) > 1:
                yield _joined(*waiting.popleft())
        while waiting:
            yield _joined(*waiting.popleft())


def logits_at_once(logits: Logits, batches: Iterator[Batch]) -> Scored:
    """Logits and labels of whole batches one after the other, with the same layers and so the same numbers."""
    layers = FastLinear({})
    for encoded, labels in batches:
        with layers:
            scored = logits(encoded)
        yield scored, labels


def part_size(encoded: Tensor) -> int:
    """How many images of a batch to score at a time."""
    image = max(1, encoded[0].numel() * encoded.element_size())
    return min(_MOST, max(_LEAST, _BYTES // image))


@contextmanager
def _workers(threads: int, context: Context) -> Iterator[ThreadPoolExecutor]:
    """Threads that have entered what is a thread's own: inference mode, one BLAS thread, ``context``, fast layers."""
    converted: dict[int, tuple[Tensor, Tensor]] = {}
    entered = threading.local()

    def begin() -> None:
        torch.set_num_threads(1)
        entered.stack = ExitStack()
        for one in (torch.inference_mode(), context(), FastLinear(converted)):
            entered.stack.enter_context(one)

    pool = ThreadPoolExecutor(threads, thread_name_prefix="score", initializer=begin)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _joined(parts: Sequence[Future[list[Tensor]]], labels: Tensor) -> tuple[list[Tensor], Tensor]:
    by_part = [part.result() for part in parts]
    return [torch.cat(one) for one in zip(*by_part, strict=True)], labels
