"""Image classification tasks for networks with heads of their own: by task, and among the classes of all tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from fusion_bench.models.task_models import TaskModels
from fusion_bench.report import EvalReport, ModelInfo
from fusion_bench.taskpool.base_pool import model_info
from fusion_bench.taskpool.classifier_sources import ClassifierSources
from fusion_bench.taskpool.clip_sources import ClipSources
from fusion_bench.taskpool.image_pool import ImageTaskPool
from fusion_bench.taskpool.output_heads import JOINT_RULES, OutputHeads, TaskHead
from fusion_bench.taskpool.scoring import Question, Scoring, task_score

HEADS = ("shared", "task", "text")


class ImageClassificationTaskPool(ImageTaskPool):
    """Scores image classifiers on each task, and on the union of the classes of all tasks that are scored.

    The score of a task is among its own classes. ``joint`` of the report is among the classes of all tasks scored, over
    all their images; it is there where there are two tasks or more. A :class:`TaskModels`, which partial zip gives,
    answers for each task with the network of that task.

    Args:
        test_datasets: name to task, see :class:`fusion_bench.dataset.task.ClassificationTask`; with ``classes`` several
            tasks can share a data set.
        processor: Hub id, directory, ``_target_`` config or live image processor of transformers, or a function from an
            RGB image to a tensor; None takes images as tensors that are ready.
        heads: ``shared``, one output a class of all tasks; ``task``, one output a class of one task; ``text``, outputs
            are compared with the text features of the class names.
        outputs: name of a task to its outputs of a shared head, in the order of its classes; None counts them through
            the tasks in their order.
        base_model: Hub id or directory of the CLIP model with the text features.
        logit_scale: factor on the cosines with text features; None takes that of the CLIP model.
        joint: how classes of different tasks are compared: by ``logits``, or by ``probabilities`` within each task.
        tasks: names of the tasks to use, in that order; None uses all.
        dataloader_kwargs: arguments of ``torch.utils.data.DataLoader``, such as ``batch_size`` (128).
        corruption: what to do to each test picture before it is preprocessed, such as ``gaussian_noise``; None leaves
            them as they are. Training images are never corrupted.
        corruption_severity: how much of it, from 1 to 5.
        corruption_seed: of what is random in it; together with the index of an image it decides what happens to it.
        fast_dev_run: one batch a task; None leaves it to the program.
        move_to_device: score on the program's device; otherwise where the model is.
        cache_dir: where downloads, text features and preprocessed images are kept; None is the libraries' own caches.
        model_dir: directory with local copies of models of the Hub, as ``OWNER/NAME`` or ``NAME``.
        data_dir: directory with local copies of data sets of the Hub, likewise.
        pixel_cache_gib: GiB of disk for preprocessed images of all runs; 0 keeps them in memory.
        compile: run networks through ``torch.compile``.
        num_ray_actors: score tasks in this many Ray actors, each with a copy of the model; 0 scores here.

    Raises:
        KeyError: if ``tasks`` or ``outputs`` name an unknown task, class names are neither given nor known, or there is
            no such corruption.
        ValueError: if an option is none of those above, or ``heads`` is ``text`` without ``base_model``.
    """

    _sources: ClassifierSources
    _config_mapping: ClassVar[Mapping[str, str]] = {
        **ImageTaskPool._config_mapping,
        "_processor": "processor",
        "_heads": "heads",
        "_outputs": "outputs",
        "_base_model": "base_model",
        "_logit_scale": "logit_scale",
        "_joint": "joint",
    }

    def __init__(
        self,
        test_datasets: Mapping[str, Any],
        *,
        processor: Any = None,
        heads: str = "shared",
        outputs: Mapping[str, Sequence[int]] | None = None,
        base_model: str | Path | None = None,
        logit_scale: float | None = None,
        joint: str = "logits",
        tasks: Any = None,
        dataloader_kwargs: Mapping[str, Any] | None = None,
        corruption: str | None = None,
        corruption_severity: int = 5,
        corruption_seed: int = 0,
        fast_dev_run: bool | None = None,
        move_to_device: bool = True,
        cache_dir: str | Path | None = None,
        model_dir: str | Path | None = None,
        data_dir: str | Path | None = None,
        pixel_cache_gib: float = 50.0,
        compile: bool = False,
        num_ray_actors: int = 0,
    ) -> None:
        super().__init__(
            test_datasets,
            tasks=tasks,
            dataloader_kwargs=dataloader_kwargs,
            corruption=corruption,
            corruption_severity=corruption_severity,
            corruption_seed=corruption_seed,
            fast_dev_run=fast_dev_run,
            move_to_device=move_to_device,
            cache_dir=cache_dir,
            model_dir=model_dir,
            data_dir=data_dir,
            pixel_cache_gib=pixel_cache_gib,
            compile=compile,
            num_ray_actors=num_ray_actors,
        )
        self._processor = processor
        self._heads = heads
        self._outputs = outputs
        self._base_model = base_model
        self._logit_scale = logit_scale
        self._joint = joint
        self._check_heads()
        text = ClipSources(None, None, base_model, None, cache_dir, model_dir) if heads == "text" else None
        self._sources = ClassifierSources(processor, text, cache_dir, model_dir)

    def reports(
        self, models: Sequence[nn.Module], infos: Sequence[ModelInfo], tasks: Sequence[str]
    ) -> list[EvalReport]:
        """The reports of the models, with ``joint`` where there are several tasks."""
        return self._reports(models, infos, Question(tuple(tasks), self._joint))

    def evaluate_ensemble(self, models: Mapping[str, nn.Module], name: str | None = "ensemble") -> EvalReport:
        """Score one model a task together: each answers for the classes of its own task, by their probabilities.

        Args:
            models: by the name of their task.
            name: goes to ``model_info.name`` of the report.

        Raises:
            KeyError: if one of the names is no task of this pool.
        """
        self._choose(list(models))
        tasks = [task for task in self.task_names if task in models]
        members = [models[task] for task in tasks]
        ensemble = TaskModels.apart(tasks, members)
        with self.ready(ensemble) as lent:
            question = Question(tuple(tasks), "probabilities")
            return self._reports([lent], [model_info(ensemble, name)], question)[0]

    def class_vectors(self, task: str) -> Tensor:
        """The text features of the classes of a task, unit vectors ``(classes, dim)``, to train a network with.

        Raises:
            KeyError: if the pool has no such task.
            ValueError: unless ``heads`` is ``text``.
        """
        self._choose([task])
        text = self._head(task).text
        if text is None:
            raise ValueError(f"a pool with heads={self._heads} has no text features")
        return text.clone()

    def _reports(self, models: Sequence[nn.Module], infos: Sequence[ModelInfo], question: Question) -> list[EvalReport]:
        found = self.batch_scores(models, question)
        reports = []
        for place, info in enumerate(infos):
            readings = {task: found[task][place] for task in question.tasks}
            scores = {task: task_score(own) for task, (own, _) in readings.items()}
            batches = [batch for _, union in readings.values() for batch in union.values()]
            joint = task_score(dict(enumerate(batches))) if len(scores) > 1 else None
            reports.append(EvalReport(info, scores, joint=joint))
        return reports

    def _plan(self, networks: Sequence[nn.Module], task: str, question: Question) -> Scoring:
        with torch.inference_mode(False):  # what is kept is made as ordinary tensors
            heads = OutputHeads([self._head(one) for one in question.tasks], question.joint)
            batches = self._prepared(task).batches
        read = partial(heads.own_and_union, task)
        return Scoring(heads, batches, self._once.transform, self.autocast, self._compiler, read)

    def _head(self, task: str) -> TaskHead:
        names = self._once.names(task)
        classes = len(names.classnames)
        if self._heads == "task":
            return TaskHead(task, classes)
        if self._heads == "text":
            heads = self._once.heads(self._where())
            scale = float(heads.side.logit_scale.exp()) if self._logit_scale is None else self._logit_scale
            return TaskHead(task, classes, text=heads(names), scale=scale)
        if self._outputs is not None:
            columns = tuple(int(column) for column in self._outputs[task])
            if len(columns) != classes:
                raise ValueError(f"task {task!r} has {classes} classes, but outputs names {len(columns)} for it")
            return TaskHead(task, classes, columns)
        sizes = [len(self._once.names(name).classnames) for name in self.task_names]
        start = sum(sizes[: self.task_names.index(task)])
        return TaskHead(task, classes, tuple(range(start, start + classes)), width=sum(sizes))

    def _check_heads(self) -> None:
        """Find mistakes in the options of heads before anything is loaded."""
        for task in self.task_names:
            if self._outputs is not None and task not in self._outputs:
                raise KeyError(f"outputs names {list(self._outputs)}, but not the task {task!r}")
        for argument, value, allowed in (("heads", self._heads, HEADS), ("joint", self._joint, JOINT_RULES)):
            if value not in allowed:
                raise ValueError(f"{argument} must be one of {', '.join(allowed)}; got {value!r}")
        if self._heads == "text" and self._base_model is None:
            raise ValueError("heads=text needs base_model, the CLIP model whose text features the outputs are")
