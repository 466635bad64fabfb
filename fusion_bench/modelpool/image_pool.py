"""The shape of pools whose models read images: a pretrained model, an image processor, training images."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from fusion_bench.dataset.pixels import PixelTransform
from fusion_bench.dataset.task import as_task
from fusion_bench.modelpool.base_pool import PRETRAINED, BaseModelPool
from fusion_bench.modelpool.image_inputs import ImageInputs
from fusion_bench.modelpool.input_batches import plain_input
from fusion_bench.models.needed import processor_needed
from fusion_bench.sources.needed import Needed


class ImageModelPool(BaseModelPool):
    """Models that read images; a subclass says which, and where their image processor comes from.

    Args:
        models: name to a Hub id, a local directory, a module or a ``_target_`` config; a list gets ``"0"``, ``"1"``, …
        processor: Hub id, directory, ``_target_`` config or live image processor; None leaves it to the subclass.
        base_model: the pretrained model, where ``models`` has no ``_pretrained_``.
        cache_dir: where downloads are kept; None is the Hub client's own cache.
        train_datasets, val_datasets, test_datasets, expect, model_dir, data_dir: see :class:`BaseModelPool`.
    """

    _config_mapping: ClassVar[Mapping[str, str]] = {
        **BaseModelPool._config_mapping,
        "_processor": "processor",
        "_base_model": "base_model",
        "_cache_dir": "cache_dir",
    }

    def __init__(
        self,
        models: Mapping[str, Any] | Sequence[Any],
        *,
        processor: Any = None,
        base_model: str | Path | None = None,
        cache_dir: str | Path | None = None,
        train_datasets: Mapping[str, Any] | None = None,
        val_datasets: Mapping[str, Any] | None = None,
        test_datasets: Mapping[str, Any] | None = None,
        expect: Mapping[str, Any] | None = None,
        model_dir: str | Path | None = None,
        data_dir: str | Path | None = None,
    ) -> None:
        super().__init__(
            models,
            train_datasets=train_datasets,
            val_datasets=val_datasets,
            test_datasets=test_datasets,
            expect=expect,
            model_dir=model_dir,
            data_dir=data_dir,
        )
        self._processor = processor
        self._base_model = base_model
        self._cache_dir = cache_dir
        if base_model is not None and PRETRAINED not in self._models:
            self._models = {PRETRAINED: base_model, **self._models}

    @abstractmethod
    def load_processor(self) -> Any:
        """A fresh image processor."""

    def training_inputs(self, name: str) -> Any:
        """The training images of ``name``, preprocessed; a data set is described as in a task pool.

        Raises:
            KeyError: if the pool has no training data of that name.
        """
        source = self.load_train_dataset(name)
        if isinstance(source, Tensor):
            return source
        images = as_task(name, source).load_images(name, cache_dir=self._cache_dir, split="train")
        return ImageInputs.of(images, self._transform)

    def prepare_input(self, name: str, item: Any) -> Tensor:
        """The pixel values of one image."""
        encoded = plain_input(name, item)
        return self._transform.decode(encoded.unsqueeze(0))[0] if encoded.dtype == torch.uint8 else encoded

    @cached_property
    def _transform(self) -> PixelTransform:
        return PixelTransform(self.load_processor())

    def _processor_needed(self, source: Any) -> list[Needed]:
        """The files of an image processor, if it is given by path."""
        if not isinstance(source, str | Path):
            return []
        where = {"root": self._model_dir, "cache_dir": self._cache_dir}
        return [processor_needed("model_pool", "the model pool's processor", source, **where)]
