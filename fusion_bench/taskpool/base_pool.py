"""A pool of tasks that scores a model on those you name and keeps what is expensive between calls."""

from __future__ import annotations

import copy
import difflib
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import ClassVar

import torch
from torch import nn

from fusion_bench.models.precision import is_half
from fusion_bench.report import EvalReport, ModelInfo, TaskScore
from fusion_bench.sources.needed import Needed
from fusion_bench.utils.configurable import Configurable


class BaseTaskPool(Configurable):
    """Scores models; a subclass says which tasks it has and how one is scored.

    Evaluating changes neither the pool nor the model: the order of the tasks, the model's device and the mode of each
    of its modules are afterwards what they were before.
    """

    shares_work: ClassVar[bool] = False  # whether processes of a group can score together

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
            return self.reports([lent], [info], chosen)[0]

    def evaluate_many(
        self, models: Mapping[str, nn.Module], *, tasks: Sequence[str] | None = None
    ) -> dict[str, EvalReport]:
        """Score several models, each task's images being prepared once for all of them where the pool can do that.

        Args:
            models: the models by name, which goes to ``model_info.name``; all are on the device at the same time.
            tasks: which tasks, each scored once; None is all of them.

        Raises:
            KeyError: naming an unknown task and the nearest known ones.
            TypeError: if one of the models is not a module.
        """
        for name, model in models.items():
            if not isinstance(model, nn.Module):
                raise TypeError(f"a task pool scores torch modules, {name!r} is a {type(model).__name__}")
        chosen = self._choose(tasks)
        infos = [model_info(model, name) for name, model in models.items()]
        with ExitStack() as stack:
            lent = [stack.enter_context(self.ready(model)) for model in models.values()]
            reports = self.reports(lent, infos, chosen) if lent else []
        return dict(zip(models, reports, strict=True))

    def reports(
        self, models: Sequence[nn.Module], infos: Sequence[ModelInfo], tasks: Sequence[str]
    ) -> list[EvalReport]:
        """The report of each of the models, which are in eval mode and on their device."""
        scores = self.evaluate_tasks(models, tasks)
        return [EvalReport(info, found) for info, found in zip(infos, scores, strict=True)]

    def evaluate_tasks(self, models: Sequence[nn.Module], tasks: Sequence[str]) -> list[dict[str, TaskScore]]:
        """For each of the models, which are in eval mode and on their device, its scores by task."""
        return [{task: self.evaluate_task(model, task) for task in tasks} for model in models]

    @contextmanager
    def ready(self, model: nn.Module) -> Iterator[nn.Module]:
        """The model, or a copy in the dtype to evaluate in, on its device, in eval and inference mode.

        Half precision is evaluated in float32 on a CPU, where that is faster, unless :meth:`setup` said otherwise.
        """
        device = self._device if self._move_to_device else None
        dtype = self._dtype
        if dtype is None and (device or device_of(model)).type == "cpu" and is_half(model):
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
