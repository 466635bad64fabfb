"""A pool of CLIP vision towers: Hub ids, local directories, configs or live modules."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from torch import nn

from fusion_bench.functional.params import Params
from fusion_bench.modelpool.base_pool import PRETRAINED
from fusion_bench.modelpool.image_pool import ImageModelPool
from fusion_bench.models.checkpoint import open_checkpoint, save_params, weight_files
from fusion_bench.models.clip_config import compare_configs, different_field, read_vision_config, vision_config_of
from fusion_bench.models.clip_loading import (
    default_image_processor,
    has_processor,
    load_clip_model,
    load_image_processor,
)
from fusion_bench.models.clip_vision import VisionArchitecture
from fusion_bench.models.fingerprint import combined_sha256, file_hashes
from fusion_bench.models.hub import fetch, model_directory
from fusion_bench.models.needed import PROCESSOR_FILES
from fusion_bench.sources.local import located
from fusion_bench.sources.needed import Needed
from fusion_bench.utils.executors import Executor
from fusion_bench.utils.files import atomic_directory

if TYPE_CHECKING:
    from typing_extensions import Self


class CLIPVisionModelPool(ImageModelPool):
    """CLIP vision towers by name; their tensors are named without the prefix ``vision_model.``.

    A local directory is read without touching the network; a Hub id is downloaded once. Checkpoints of a vision tower
    and of a whole CLIP model are both taken, in safetensors (memory-mapped) or as ``pytorch_model.bin``.

    Args:
        models: name to a Hub id, a local directory, a module or a ``_target_`` config; a list gets ``"0"``, ``"1"``, …
        processor: Hub id, directory, ``_target_`` config or live image processor; None takes the one beside the
            pretrained (else the first) model.
        platform: where ids come from; only ``"hf"``.
        base_model: the pretrained model, where ``models`` has no ``_pretrained_``.
        cache_dir: where downloads are kept; None is the Hub client's own cache.
        train_datasets: training data by name.
        val_datasets: validation data by name.
        test_datasets: test data by name.
        expect: name to the SHA-256 that a report prints for the model, or to a mapping from its files to theirs.
        model_dir: directory with local copies of models of the Hub, as ``OWNER/NAME`` or ``NAME``.
        data_dir: directory with local copies of data sets of the Hub, likewise.

    Raises:
        ValueError: for a ``platform`` other than ``"hf"``.
    """

    may_have_batch_norms = False
    _config_mapping: ClassVar[Mapping[str, str]] = {**ImageModelPool._config_mapping, "_platform": "platform"}

    def __init__(
        self,
        models: Mapping[str, Any] | Sequence[Any],
        *,
        processor: Any = None,
        platform: str = "hf",
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
            processor=processor,
            base_model=base_model,
            cache_dir=cache_dir,
            train_datasets=train_datasets,
            val_datasets=val_datasets,
            test_datasets=test_datasets,
            expect=expect,
            model_dir=model_dir,
            data_dir=data_dir,
        )
        if platform != "hf":
            raise ValueError(f"platform must be 'hf' (Hub ids and local directories), got {platform!r}")
        self._platform = platform
        self._directories: dict[str, Path] = {}
        self._architectures: dict[str, VisionArchitecture] = {}

    def with_models(self, models: Mapping[str, Any]) -> Self:
        """A pool like this one, with the same data, that holds these models in place of its own."""
        other = super().with_models(models)
        other._directories, other._architectures = {}, {}
        return other

    # ---- modules

    def load_model(self, name_or_config: Any) -> nn.Module:
        """A fresh ``CLIPVisionModel`` in the dtype of its checkpoint, never one that was handed out before.

        Raises:
            KeyError: if no model has that name.
            FileNotFoundError: if its files are missing.
            ValueError: if they are damaged, or are not those of a CLIP vision tower.
        """
        if isinstance(name_or_config, str):
            source, owner = self.get_model_config(name_or_config), _owner(name_or_config)
            if _path_in(source) is not None:
                return self._architecture(name_or_config).build(self.load_params(name_or_config))
        else:
            source, owner = name_or_config, "the config"
        return _as_tower(super().load_model(source), owner)

    def load_clip_model(self, name: str) -> nn.Module:
        """A fresh ``CLIPModel``, with text tower and projections.

        Raises:
            ValueError: if the checkpoint holds a vision tower only.
            TypeError: if the module the pool was given is not a ``CLIPModel``.
        """
        source = self.get_model_config(name)
        if _path_in(source) is not None:
            return load_clip_model(self._directory(name), _owner(name))
        return load_clip_model(super().load_model(source), _owner(name))

    def load_processor(self) -> Any:
        """A fresh image processor, PIL based where transformers has both kinds: torchvision is not needed."""
        if self._processor is not None:
            given = located(self._processor, self._model_dir)
            return load_image_processor(given, "the processor", cache_dir=self._cache_dir)
        name = self.pretrained_or_first_name
        path = self._path_of(name)
        if path is not None:
            return load_image_processor(located(path, self._model_dir), _owner(name), cache_dir=self._cache_dir)
        return default_image_processor(self._architecture(name).config.image_size)

    def build_model(self, params: Params) -> nn.Module:
        """A ``CLIPVisionModel`` in eval mode that holds copies of ``params``, given under canonical names."""
        return self._architecture(self.pretrained_or_first_name).build(params)

    # ---- tensors

    def load_params(self, name: str) -> Params:
        """Tensors of a vision tower under canonical names in model order, memory-mapped where given by path.

        To be read and never written to: those of a live module are its own.
        """
        source = self.get_model_config(name)
        if _path_in(source) is not None:
            stored = open_checkpoint(self._directory(name), _owner(name))
        else:
            module = source if isinstance(source, nn.Module) else super().load_model(source)
            stored = {key: tensor.detach() for key, tensor in module.state_dict().items()}
        return self._architecture(name).select(stored, _owner(name))

    def save_params(self, params: Params, path: str | Path, *, executor: Executor | None = None) -> None:
        """Write an HF directory, atomically: configuration, weights and, where known, the preprocessor.

        Args:
            params: tensors under canonical names.
            path: the directory, replaced if it exists.
            executor: computes and writes the tensors, each of its owners into a shard of its own.
        """
        architecture = self._architecture(self.pretrained_or_first_name)
        stored = architecture.stored(params)
        with atomic_directory(path) as directory:
            save_params(stored, directory, executor)
            architecture.config_for(stored).save_pretrained(directory)
            if self._processor is not None or self._has_processor_file():
                self.load_processor().save_pretrained(directory)

    def load_saved(self, path: str | Path) -> nn.Module:
        """The vision tower that :meth:`save_params` wrote to a directory.

        Its tensors are mapped from the file: they take memory of their own when they are written to, which never
        reaches the file, and stay as they are when it is replaced or deleted.
        """
        stored = open_checkpoint(Path(path), str(path))
        architecture = self._architecture(self.pretrained_or_first_name)
        return architecture.build(architecture.select(stored, str(path)), copies=False)

    def linear_weight_names(self) -> tuple[str, ...]:
        """Canonical names of the weights of ``nn.Linear`` modules, from the architecture alone."""
        return self._architecture(self.pretrained_or_first_name).linear_weight_names

    def check(self, names: Sequence[str], *, needs_pretrained: bool = False, apart: Sequence[str] = ()) -> None:
        """Check before merging that the models have one architecture, fit together and hold finite numbers.

        Args:
            names: of the models.
            needs_pretrained: whether there must be a pretrained one.
            apart: names or patterns of tensors that may have another shape in each model.

        Raises:
            ValueError: naming the model and the configuration field or tensor, what was found and what was expected.
        """
        if self.has_pretrained or not needs_pretrained:
            reference = self.pretrained_or_first_name
            expected = self._architecture(reference).config
            for name in names:
                compare_configs(_owner(name), self._architecture(name).config, reference, expected)
        super().check(names, needs_pretrained=needs_pretrained, apart=apart)

    def fingerprints(self, names: Sequence[str]) -> dict[str, str]:
        """SHA-256 of the files of ``names`` and the pretrained model; of the tensors where there are no files."""
        listed = ([PRETRAINED] if self.has_pretrained else []) + list(names)
        files = {name: self._files(name) for name in listed if _path_in(self.get_model_config(name)) is not None}
        hashes = file_hashes().of([file for group in files.values() for file in group])
        return {
            name: combined_sha256({file.name: hashes[file] for file in files[name]})
            if name in files
            else self._fingerprint(name)
            for name in listed
        }

    # ---- where things are

    def _path_of(self, name: str) -> str | Path | None:
        return _path_in(self.get_model_config(name))

    def needed(self, names: Sequence[str]) -> list[Needed]:
        """The files of those of ``names`` that are given by path, and of the image processor."""
        source = self._processor
        source = self._path_of(self.pretrained_or_first_name) if source is None else source
        return [*super().needed(names), *self._processor_needed(source)]

    def vision_config(self) -> tuple[str, Any] | None:
        """Path and vision configuration of the pretrained (else the first) model; None if it is not given by path."""
        name = self.pretrained_or_first_name
        path = self._path_of(name)
        return None if path is None else (str(path), read_vision_config(self._directory(name), _owner(name)))

    def _directory(self, name: str) -> Path:
        """The local directory of a model given by path, resolved once."""
        if name not in self._directories:
            path = self._path_of(name)
            if path is None:
                raise AssertionError(f"model {name!r} was not given by path")
            self._directories[name] = model_directory(
                located(path, self._model_dir), _owner(name), cache_dir=self._cache_dir
            )
        return self._directories[name]

    def _files(self, name: str) -> list[Path]:
        directory = self._directory(name)
        return [directory / "config.json", *weight_files(directory, _owner(name))]

    def _architecture(self, name: str) -> VisionArchitecture:
        if name not in self._architectures:
            source, owner = self.get_model_config(name), _owner(name)
            if _path_in(source) is not None:
                config = read_vision_config(self._directory(name), owner)
            else:
                module = source if isinstance(source, nn.Module) else super().load_model(source)
                config = copy.deepcopy(vision_config_of(module, owner))
            same = (known for known in self._architectures.values() if not different_field(config, known.config))
            self._architectures[name] = next(same, VisionArchitecture(config))  # one skeleton for all
        return self._architectures[name]

    def _has_processor_file(self) -> bool:
        name = self.pretrained_or_first_name
        path = self._path_of(name)
        if path is None:
            return False
        return has_processor(
            fetch(located(path, self._model_dir), _owner(name), PROCESSOR_FILES, cache_dir=self._cache_dir)
        )


def _owner(name: str) -> str:
    return f"model {name!r}"


def _path_in(source: Any) -> str | Path | None:
    """The path or Hub id in an entry of the pool; None for a module or a ``_target_`` config."""
    if isinstance(source, str | Path):
        return source
    if isinstance(source, Mapping) and "_target_" not in source:
        path = source.get("pretrained_model_name_or_path", source.get("path"))
        return path if isinstance(path, str | Path) else None
    return None


def _as_tower(module: nn.Module, owner: str) -> nn.Module:
    """``module`` if it is a ``CLIPVisionModel``, else a new one with copies of the vision tower's tensors."""
    from transformers import CLIPVisionModel

    if isinstance(module, CLIPVisionModel):
        return module  # type: ignore[no-any-return]
    architecture = VisionArchitecture(vision_config_of(module, owner))
    return architecture.build(architecture.select(module.state_dict(), owner))
