"""Zero-shot image classification tasks for CLIP vision towers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from fusion_bench.dataset.pixels import EncodedImages
from fusion_bench.models.clip_classifier import ZeroShotClassifier
from fusion_bench.models.clip_vision import vision_tower
from fusion_bench.report import TaskScore
from fusion_bench.taskpool.base_pool import device_of
from fusion_bench.taskpool.clip_sources import ClipSources
from fusion_bench.taskpool.heads import check_backbone
from fusion_bench.taskpool.image_pool import ImageTaskPool
from fusion_bench.taskpool.layer_features import LayerFeatures
from fusion_bench.taskpool.scoring import Question, Scoring, task_score
from fusion_bench.utils.memory import reusing_freed_memory


@dataclass(frozen=True)
class Predictions:
    """The class chosen for each image and the right one, ``(images,)`` int64 each."""

    predicted: Tensor
    labels: Tensor

    @property
    def correct(self) -> Tensor:
        """Whether each image was classified rightly, ``(images,)`` bool."""
        return self.predicted == self.labels


class CLIPVisionModelTaskPool(ImageTaskPool):
    """Scores vision towers on zero-shot classification with the heads of a pretrained CLIP model.

    Data sets, preprocessed images and heads are set up when a task is first scored and kept. Takes a
    ``CLIPVisionModel``, a ``CLIPVisionModelWithProjection`` or ``CLIPModel`` (whose vision tower is scored), or any
    module that is called with ``pixel_values`` and gives ``pooler_output``.

    Args:
        test_datasets: name to task, see :class:`fusion_bench.dataset.task.ClassificationTask`.
        processor: Hub id, directory, ``_target_`` config or live CLIP processor (image processor and tokenizer); None
            takes those of ``base_model``, else of ``clip_model``.
        clip_model: the pretrained CLIP model: Hub id, directory, ``_target_`` config or live ``CLIPModel``, which is
            not changed; None takes ``base_model``.
        base_model: Hub id or directory for whatever of the two is not given.
        tasks: names of the tasks to use, in that order; None uses all.
        data_processor: preprocesses images instead of ``processor``: an HF image processor, a function from an RGB
            image to a tensor, or a ``_target_`` config of one.
        dataloader_kwargs: arguments of ``torch.utils.data.DataLoader``, such as ``batch_size`` (128) and
            ``num_workers`` (0).
        corruption: what to do to each test image before it is preprocessed, such as ``gaussian_noise``; None leaves
            images as they are. Training images are never corrupted.
        corruption_severity: how much of it, from 1 to 5.
        corruption_seed: of what is random in it; together with the index of an image it decides what happens to it.
        layer_wise_feature_save_path: directory for the outputs of every encoder layer,
            ``<path>/<task>/layer_<i>.safetensors``; None saves none.
        layer_wise_feature_first_token_only: save the class token of each image, not all tokens.
        layer_wise_feature_max_num: save this many images a task; None saves all.
        fast_dev_run: one batch a task; None leaves it to the program.
        move_to_device: score on the program's device; otherwise where the model is.
        cache_dir: where downloads, heads and preprocessed images are kept; None is the libraries' own caches, and
            ``fusion_bench`` in the user's cache directory.
        model_dir: directory with local copies of models of the Hub, as ``OWNER/NAME`` or ``NAME``.
        data_dir: directory with local copies of data sets of the Hub, likewise.
        pixel_cache_gib: GiB of disk for preprocessed images, which are then made once for all runs; those not used for
            longest make room for new ones. 0 keeps images in memory, up to 4 GiB, for as long as the pool lives.
        compile: run the vision tower through ``torch.compile``.
        num_ray_actors: score tasks in this many Ray actors, each with a copy of the model; 0 scores here.

    Raises:
        KeyError: if ``tasks`` names an unknown task, the class names of a task are neither given nor known, or there is
            no such corruption.
        ValueError: if there is nothing to take the CLIP model, the tokenizer or the image processor from, or the
            severity or seed of the corruption is out of range.
    """

    _sources: ClipSources
    _config_mapping: ClassVar[Mapping[str, str]] = {
        **ImageTaskPool._config_mapping,
        "_processor": "processor",
        "_clip_model": "clip_model",
        "_base_model": "base_model",
        "_data_processor": "data_processor",
        "_layer_wise_feature_save_path": "layer_wise_feature_save_path",
        "_layer_wise_feature_first_token_only": "layer_wise_feature_first_token_only",
        "_layer_wise_feature_max_num": "layer_wise_feature_max_num",
    }

    def __init__(
        self,
        test_datasets: Mapping[str, Any],
        *,
        processor: Any = None,
        clip_model: Any = None,
        base_model: str | Path | None = None,
        tasks: Any = None,
        data_processor: Any = None,
        dataloader_kwargs: Mapping[str, Any] | None = None,
        corruption: str | None = None,
        corruption_severity: int = 5,
        corruption_seed: int = 0,
        layer_wise_feature_save_path: str | Path | None = None,
        layer_wise_feature_first_token_only: bool = True,
        layer_wise_feature_max_num: int | None = None,
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
        self._clip_model = clip_model
        self._base_model = base_model
        self._data_processor = data_processor
        self._layer_wise_feature_save_path = layer_wise_feature_save_path
        self._layer_wise_feature_first_token_only = layer_wise_feature_first_token_only
        self._layer_wise_feature_max_num = layer_wise_feature_max_num
        LayerFeatures(max_num=layer_wise_feature_max_num)  # refuses what it cannot be
        self._sources = ClipSources(processor, clip_model, base_model, data_processor, cache_dir, model_dir)

    def vision_config(self) -> tuple[str, Any] | None:
        """Name and vision configuration of the CLIP model, without loading it; None if it is not given by path."""
        return self._sources.vision_config()

    def evaluate_tasks(self, models: Sequence[nn.Module], tasks: Sequence[str]) -> list[dict[str, TaskScore]]:
        """The scores of each model by task; with ``layer_wise_feature_save_path``, features are saved along the way."""
        if self._layer_wise_feature_save_path is None:
            return super().evaluate_tasks(models, tasks)
        with reusing_freed_memory():
            return [
                {task: self._score_with_features(tower, task) for task in tasks} for tower in self._networks(models)
            ]

    def predict(self, model: nn.Module, task: str) -> Predictions:
        """What the model says to each image of one task, and what is right, in the order of the data set.

        Raises:
            KeyError: if the pool has no such task.
            ValueError: if the model is of another backbone than the pool's CLIP model, or a label is no class.
        """
        self._choose([task])
        with self.ready(model) as lent, self.autocast():
            tower = vision_tower(lent)
            pairs = [
                (logits.argmax(dim=-1), labels)
                for (logits,), labels in self._plan([tower], task, Question((task,))).logits([tower], device_of(tower))
            ]
        predicted, labels = (torch.cat(column).cpu() for column in zip(*pairs, strict=True))
        return Predictions(predicted, labels)

    def classifier(self, task: str, tower: nn.Module) -> ZeroShotClassifier:
        """The frozen head, projection and scale with which the pool makes a classifier of ``tower`` for one task.

        Raises:
            KeyError: if the pool has no such task.
            ValueError: if the tower is of another backbone than the pool's CLIP model.
        """
        self._choose([task])
        check_backbone(tower, self._once.heads(self._where()).side)
        return self._once.classifier(self._prepared(task).names, self._where())

    def training_images(self, task: str, source: Any) -> EncodedImages:
        """Images to train a task with: preprocessed as the pool does, labels counted in the class names of the task.

        Args:
            task: a task of this pool.
            source: where they come from, in any form that an entry of ``test_datasets`` may have; the split ``train``
                where it names none.

        Raises:
            KeyError: if the pool has no such task.
            ValueError: if ``source`` gives class names of its own that are not those of the task.
        """
        self._choose([task])
        return self._once.training_images(task, source)

    def _score_with_features(self, tower: nn.Module, task: str) -> TaskScore:
        features = LayerFeatures(
            first_token_only=self._layer_wise_feature_first_token_only, max_num=self._layer_wise_feature_max_num
        )
        with features.collect(tower):
            scoring = replace(self._plan([tower], task, Question((task,))), compiled=None)  # layers can be watched
            ((scores,),) = scoring.scores([tower], device_of(tower))
        features.save(Path(str(self._layer_wise_feature_save_path)) / task)
        return task_score(scores)

    def _networks(self, models: Sequence[nn.Module]) -> list[nn.Module]:
        return [vision_tower(model) for model in models]

    def _plan(self, networks: Sequence[nn.Module], task: str, question: Question) -> Scoring:
        with torch.inference_mode(False):  # what is kept is made as ordinary tensors
            for tower in networks:
                check_backbone(tower, self._once.heads(self._where()).side)
            prepared = self._prepared(task)
            classifier = self._once.classifier(prepared.names, self._where())
        return Scoring(classifier, prepared.batches, self._once.transform, self.autocast, self._compiler)
