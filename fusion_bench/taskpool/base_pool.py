"""A pool of tasks that scores a model on those you name and keeps what is expensive between calls."""

from __future__ import annotations

import copy
import difflib
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import nn

from fusion_bench.report import EvalReport, ModelInfo, TaskScore
from fusion_bench.sources.needed import Needed
from fusion_bench.utils.configurable import Configurable


class BaseTaskPool(Configurable):
    """Scores models; a subclass says which tasks it has and how one is scored.

    Evaluating changes neither the pool nor the model: the order of the tasks, the model's device and the mode of each
    of its modules are afterwards what they were before.
    """

    # Defaults on the class, so that a subclass need not call an initialiser.
    _fast_dev_run: bool | None = None
    _move_to_device: bool = True
    _device: torch.device | None = None
    _autocast: Callable[[], AbstractContextManager[object]] = staticmethod(nullcontext)
    _dtype: torch.dtype | None = None
    _run_is_fast: bool = False

    @property
    @abstractmethod
    def task_names(self) -> list[str]:
        """The names of the tasks, in the order given."""

    @abstractmethod
    def evaluate_task(self, model: nn.Module, task: str) -> TaskScore:
        """Score a model, which is in eval mode and on its device, on one task."""

    def needed(self) -> list[Needed]:
        """What the pool reads from files; nothing, unless a subclass says otherwise."""
        return []

    def setup(
        self,
        *,
        device: torch.device | None = None,
        autocast: Callable[[], AbstractContextManager[object]] | None = None,
        dtype: torch.dtype | None = None,
        fast_dev_run: bool | None = None,
    ) -> None:
        """Say how to evaluate from now on; what is not given stays as it was.

        Args:
            device: where to evaluate; by default where the model is.
            autocast: makes the context that sets the precision.
            dtype: evaluate a copy of the model in this dtype; by default the model as it is, or in float32 where it is
                half precision on a CPU.
            fast_dev_run: one batch per task, unless the pool was built with a choice of its own.
        """
        self._device = device if device is not None else self._device
        self._autocast = autocast or self._autocast
        self._dtype = dtype or self._dtype
        self._run_is_fast = fast_dev_run if fast_dev_run is not None else self._run_is_fast

    def evaluate(self, model: nn.Module, name: str | None = None, *, tasks: Sequence[str] | None = None) -> EvalReport:
        """Score a model.

        Args:
            model: the model; given back in the modes and on the device it came with.
            name: goes to ``model_info.name`` of the report.
            tasks: which tasks, each scored once; None is all of them.

        Raises:
            KeyError: naming an unknown task and the nearest known ones.
            TypeError: if ``model`` is not a module.
        """
        if not isinstance(model, nn.Module):
            raise TypeError(f"a task pool scores torch modules, got a {type(model).__name__}")
        chosen = self._choose(tasks)
        info = model_info(model, name)
        if not chosen:
            return EvalReport(info)
        with self.ready(model) as lent:
            return EvalReport(info, {task: self.evaluate_task(lent, task) for task in chosen})

    @contextmanager
    def ready(self, model: nn.Module) -> Iterator[nn.Module]:
        """The model, or a copy in the dtype to evaluate in, on its device, in eval and inference mode.

        Half precision is evaluated in float32 on a CPU, where that is faster, unless :meth:`setup` said otherwise.
        """
        device = self._device if self._move_to_device else None
        dtype = self._dtype
        if dtype is None and (device or device_of(model)).type == "cpu" and _is_half(model):
            dtype = torch.float32
        if dtype is not None:
            model = copy.deepcopy(model).to(dtype)
        with lent_for_evaluation(model, device), torch.inference_mode():
            yield model

    @property
    def is_fast_dev_run(self) -> bool:
        """Whether one batch per task is enough."""
        return self._run_is_fast if self._fast_dev_run is None else self._fast_dev_run

    def autocast(self) -> AbstractContextManager[object]:
        """The context in which the model is called."""
        return self._autocast()

    def _choose(self, tasks: Sequence[str] | None) -> list[str]:
        if tasks is None:
            return self.task_names
        if isinstance(tasks, str):
            raise TypeError(f"tasks must be a list of names, got the string {tasks!r}")
        for task in tasks:
            if task not in self.task_names:
                near = difflib.get_close_matches(str(task), self.task_names, n=3)
                hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
                raise KeyError(f"no task {task!r} in this pool; it has {self.task_names}{hint}")
        return list(dict.fromkeys(tasks))


def model_info(model: nn.Module, name: str | None = None) -> ModelInfo:
    """How many parameters a model has, and how many of them require gradients."""
    sizes = [(parameter.numel(), parameter.requires_grad) for parameter in model.parameters()]
    return ModelInfo(sum(size for size, trainable in sizes if trainable), sum(size for size, _ in sizes), name)


def _is_half(model: nn.Module) -> bool:
    return any(parameter.dtype in (torch.float16, torch.bfloat16) for parameter in model.parameters())


def device_of(model: nn.Module) -> torch.device:
    """The device of the model's first parameter; the CPU for a model without any."""
    return next((parameter.device for parameter in model.parameters()), torch.device("cpu"))


@contextmanager
def lent_for_evaluation(model: nn.Module, device: torch.device | None) -> Iterator[None]:
    """The model in eval mode and, if ``device`` is given, on that device; put back as it was afterwards."""
    before = device_of(model)
    training = [module for module in model.modules() if module.training]
    try:
        model.eval()
        if device is not None and device != before:
            model.to(device)
        yield
    finally:
        if device is not None and device != before:
            model.to(before)
        for module in training:
            module.training = True
