"""A pool of image classifiers: those of transformers, and the project's small networks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import nn

from fusion_bench.modelpool.image_pool import ImageModelPool
from fusion_bench.models.hub import fetch
from fusion_bench.models.image_classifier import load_image_classifier
from fusion_bench.models.image_processors import load_processor
from fusion_bench.models.needed import CONFIG_FILES, PROCESSOR_FILES
from fusion_bench.sources.local import located
from fusion_bench.sources.needed import Needed
from fusion_bench.utils.files import atomic_directory


class ImageClassificationModelPool(ImageModelPool):
    """Image classifiers by name.

    A directory or Hub id holds a model for ``AutoModelForImageClassification`` of transformers, or an ``MLP``,
    ``VGG`` or ``CifarResNet`` that was saved: ``model.safetensors`` and a ``config.json`` with class and arguments.

    Args:
        models: name to a Hub id, a local directory, a module or a ``_target_`` config; a list gets ``"0"``, ``"1"``, …
        processor: Hub id, directory, ``_target_`` config or live image processor of transformers, or a function from an
            RGB image to a tensor, for the training data; None takes the one beside the pretrained (else the first)
            model.
        base_model: the pretrained model, where ``models`` has no ``_pretrained_``.
        cache_dir: where downloads are kept; None is the Hub client's own cache.
        train_datasets: training data by name, described as in a task pool, or tensors of inputs.
        val_datasets: validation data by name.
        test_datasets: test data by name.
        expect: name to the SHA-256 that a report prints for the model, or to a mapping from its files to theirs.
        model_dir: directory with local copies of models of the Hub, as ``OWNER/NAME`` or ``NAME``.
        data_dir: directory with local copies of data sets of the Hub, likewise.
    """

    def load_model(self, name_or_config: Any) -> nn.Module:
        """A fresh classifier in the dtype of its checkpoint, never one that was handed out before.

        Raises:
            KeyError: if no model has that name.
            FileNotFoundError: if its files are missing.
            ValueError: if they are damaged, or are not those of an image classifier.
        """
        source = self.get_model_config(name_or_config) if isinstance(name_or_config, str) else name_or_config
        if not isinstance(source, str | Path):
            return super().load_model(name_or_config)
        owner = f"model {name_or_config!r}"
        return load_image_classifier(located(source, self._model_dir), owner, cache_dir=self._cache_dir)

    def save_model(self, model: nn.Module, path: str | Path, **kwargs: Any) -> None:
        """Write a model directory atomically: configuration, weights as safetensors and, where known, the processor."""
        processor = self._known_processor()
        if processor is None or not callable(getattr(model, "save_pretrained", None)):
            super().save_model(model, path, **kwargs)
            return
        with atomic_directory(path) as directory:
            model.save_pretrained(directory, **kwargs)  # type: ignore[operator]
            processor.save_pretrained(directory)

    def load_processor(self) -> Any:
        """A fresh image processor, or the function that was given as one.

        Raises:
            ValueError: if none was given and the pretrained (else the first) model is not given by path.
            FileNotFoundError: if there is none beside that model.
        """
        source = self._processor_source()
        if source is None:
            raise ValueError("this pool has no processor, and no model given by path that could have one beside it")
        return load_processor(located(source, self._model_dir), "the model pool's processor", cache_dir=self._cache_dir)

    def needed(self, names: Sequence[str]) -> list[Needed]:
        """The files of those of ``names`` that are given by path, and of the image processor, if there is one."""
        return [*super().needed(names), *self._processor_needed(self._processor)]

    def _processor_source(self) -> Any:
        if self._processor is not None or not self._models:
            return self._processor
        return self._path_of(self.pretrained_or_first_name)

    def _known_processor(self) -> Any:
        """The image processor of transformers to write beside a model; None where there is none."""
        source = self._processor_source()
        if source is None:
            return None
        if self._processor is None:
            where = located(source, self._model_dir)
            files = (*CONFIG_FILES, *PROCESSOR_FILES)
            directory = fetch(where, "the model pool's processor", files, cache_dir=self._cache_dir)
            if not any((directory / name).is_file() for name in PROCESSOR_FILES):
                return None
        return self.load_processor() if self._transform.is_hf else None
