"""A pool of models by name: names are cheap, loading happens on demand, nothing handed out is shared."""

from __future__ import annotations

import copy
import difflib
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn

from fusion_bench.dataset.sources import localised, task_needed
from fusion_bench.functional.params import Params
from fusion_bench.modelpool.input_batches import plain_input, union_batches
from fusion_bench.models.auto import load_hf_model
from fusion_bench.models.checks import check_compatible, check_finite
from fusion_bench.models.layers import linear_weight_names
from fusion_bench.models.needed import model_needed
from fusion_bench.sources.local import located
from fusion_bench.sources.needed import Needed
from fusion_bench.utils.configurable import Configurable, build_plain
from fusion_bench.utils.executors import Executor

if TYPE_CHECKING:
    from typing_extensions import Self

PRETRAINED = "_pretrained_"
MERGED = "_merged_"
SPECIAL_NAMES = (PRETRAINED, MERGED)


class BaseModelPool(Configurable):
    """Models by name: modules, ``_target_`` configs that build one, or Hub ids and directories of HF models.

    Args:
        models: names to modules, configs or paths; a list gets the names ``"0"``, ``"1"``, …
        train_datasets: training data by name, as configs or data sets.
        val_datasets: validation data by name.
        test_datasets: test data by name.
        expect: name to the SHA-256 that a report prints for the model, or to a mapping from its files to theirs.
        model_dir: directory with local copies of models of the Hub, as ``OWNER/NAME`` or ``NAME``.
        data_dir: directory with local copies of data sets of the Hub, likewise.

    Raises:
        TypeError: if ``models`` is neither a mapping nor a list.
    """

    _config_mapping: ClassVar[Mapping[str, str]] = {
        "_models": "models",
        "_train_datasets": "train_datasets",
        "_val_datasets": "val_datasets",
        "_test_datasets": "test_datasets",
        "_expect": "expect",
        "_model_dir": "model_dir",
        "_data_dir": "data_dir",
    }

    may_have_batch_norms: ClassVar[bool] = True  # whether its models may; said before any is loaded

    # Defaults on the class, for subclasses with an initialiser of their own.
    _expect: Mapping[str, Any] | None = None
    _cache_dir: str | Path | None = None
    _model_dir: str | Path | None = None
    _data_dir: str | Path | None = None

    def __init__(
        self,
        models: Mapping[str, Any] | Sequence[Any],
        *,
        train_datasets: Mapping[str, Any] | None = None,
        val_datasets: Mapping[str, Any] | None = None,
        test_datasets: Mapping[str, Any] | None = None,
        expect: Mapping[str, Any] | None = None,
        model_dir: str | Path | None = None,
        data_dir: str | Path | None = None,
    ) -> None:
        if isinstance(models, Sequence) and not isinstance(models, str):
            models = {str(index): model for index, model in enumerate(models)}
        if not isinstance(models, Mapping):
            raise TypeError(f"models must be a mapping or a list, got {type(models).__name__}")
        self._models: dict[str, Any] = {str(name): models[name] for name in models}
        self._train_datasets = train_datasets
        self._val_datasets = val_datasets
        self._test_datasets = test_datasets
        self._expect = expect
        self._model_dir = model_dir
        self._data_dir = data_dir

    # ---- names

    @property
    def all_model_names(self) -> list[str]:
        """Every name, special ones included, in the order given."""
        return list(self._models)

    @property
    def model_names(self) -> list[str]:
        """The names of the models to merge, in the order given."""
        return [name for name in self._models if not self.is_special_model(name)]

    @property
    def has_pretrained(self) -> bool:
        """Whether the pool has a pretrained model."""
        return PRETRAINED in self._models

    @property
    def has_instance_models(self) -> bool:
        """Whether some model is given as a live module."""
        return any(isinstance(model, nn.Module) for model in self._models.values())

    @property
    def pretrained_or_first_name(self) -> str:
        """``_pretrained_`` where the pool has one, else the name of the first model.

        Raises:
            ValueError: if the pool is empty.
        """
        if self.has_pretrained:
            return PRETRAINED
        if not self.model_names:
            raise ValueError("the model pool is empty")
        return self.model_names[0]

    @staticmethod
    def is_special_model(name: str) -> bool:
        """Whether the name is reserved: ``_pretrained_`` or ``_merged_``."""
        return name in SPECIAL_NAMES

    def __len__(self) -> int:
        return len(self.model_names)

    def __contains__(self, name: object) -> bool:
        return name in self._models

    def add_model(self, name: str, model: Any) -> None:
        """Add a module, config or path under a new name.

        Raises:
            ValueError: if the name is taken.
        """
        if name in self._models:
            raise ValueError(f"the pool already has a model {name!r}")
        self._models[name] = model

    def with_models(self, models: Mapping[str, Any]) -> Self:
        """A pool like this one, with the same data, that holds these models in place of its own.

        Args:
            models: name to module, config or path.
        """
        other = copy.copy(self)
        other._models = dict(models)
        return other

    def select(self, names: Sequence[str]) -> Self:
        """A pool like this one that holds only the pretrained model, if there is one, and those of ``names``.

        Raises:
            KeyError: if no model has that name.
        """
        chosen = {name: self.get_model_config(name) for name in names}
        return self.with_models({**({PRETRAINED: self._models[PRETRAINED]} if self.has_pretrained else {}), **chosen})

    def get_model_config(self, name: str) -> Any:
        """What the pool was given for ``name``: a config, a path or a module.

        Raises:
            KeyError: if no model has that name.
        """
        if name not in self._models:
            raise KeyError(self._no_such("model", name, self._models))
        return self._models[name]

    def get_model_path(self, name: str) -> str:
        """Path or Hub id of a model.

        Raises:
            KeyError: if no model has that name.
            ValueError: if the model was not given by path.
        """
        config = self.get_model_config(name)
        if isinstance(config, str | Path):
            return str(config)
        if isinstance(config, Mapping):
            for key in ("pretrained_model_name_or_path", "path"):
                if isinstance(config.get(key), str):
                    return str(config[key])
        raise ValueError(f"model {name!r} was not given by path but as {type(config).__name__}")

    # ---- modules

    def load_model(self, name_or_config: Any) -> nn.Module:
        """A fresh module, never one that was handed out before.

        Args:
            name_or_config: a name of this pool, or a config that builds a module.

        Raises:
            KeyError: if no model has that name.
        """
        source = self.get_model_config(name_or_config) if isinstance(name_or_config, str) else name_or_config
        if isinstance(source, nn.Module):
            return copy.deepcopy(source)
        if isinstance(source, str | Path):
            return load_hf_model(located(source, self._model_dir), f"model {name_or_config!r}")
        model = build_plain(source)
        if not isinstance(model, nn.Module):
            raise TypeError(f"{name_or_config!r} builds a {type(model).__name__}, not a torch module")
        return model

    def load_pretrained_model(self) -> nn.Module:
        """The pretrained model; a KeyError if the pool has none."""
        return self.load_model(PRETRAINED)

    def load_pretrained_or_first_model(self) -> nn.Module:
        """The pretrained model where there is one, else the first."""
        return self.load_model(self.pretrained_or_first_name)

    def models(self) -> Iterator[nn.Module]:
        """The models to merge, loaded one at a time."""
        return (self.load_model(name) for name in self.model_names)

    def named_models(self) -> Iterator[tuple[str, nn.Module]]:
        """Names and models to merge, loaded one at a time."""
        return ((name, self.load_model(name)) for name in self.model_names)

    def save_model(self, model: nn.Module, path: str | Path, **kwargs: Any) -> None:
        """Write a model as safetensors, atomically; ``kwargs`` go to the writer.

        A module with ``save_pretrained`` is written in the HF layout, any other as one ``model.safetensors``.
        """
        from fusion_bench.models.checkpoint import save_module

        save_module(model, Path(path), **kwargs)

    # ---- tensors, which is what methods work on

    def load_params(self, name: str) -> Params:
        """Parameters and persistent buffers of a model by name, to be read and never written to."""
        source = self.get_model_config(name)
        module = source if isinstance(source, nn.Module) else self.load_model(name)
        return {key: tensor.detach() for key, tensor in module.state_dict().items()}

    def build_model(self, params: Params) -> nn.Module:
        """A module of this pool's architecture that holds copies of ``params``."""
        model = self.load_pretrained_or_first_model()
        model.load_state_dict({name: params[name] for name in params}, strict=True)
        return model

    def save_params(self, params: Params, path: str | Path, *, executor: Executor | None = None) -> None:
        """Write ``params`` as a model of this pool's architecture, atomically.

        Args:
            params: the tensors.
            path: the directory, replaced if it exists.
            executor: for pools that write tensors without building a module; this one has no use for it.
        """
        self.save_model(self.build_model(params), path)

    def load_saved(self, path: str | Path) -> nn.Module:
        """The model that :meth:`save_params` wrote to a directory.

        Raises:
            FileNotFoundError: if it is not there.
        """
        from fusion_bench.models.checkpoint import open_checkpoint

        return self.build_model(open_checkpoint(Path(path), str(path)))

    def linear_weight_names(self) -> tuple[str, ...]:
        """Names, as in :meth:`load_params`, of the weights of ``nn.Linear`` modules."""
        source = self.get_model_config(self.pretrained_or_first_name)
        return linear_weight_names(source if isinstance(source, nn.Module) else self.load_pretrained_or_first_model())

    def check(self, names: Sequence[str], *, needs_pretrained: bool = False, apart: Sequence[str] = ()) -> None:
        """Check before merging that the models fit together and hold finite numbers.

        Args:
            names: of the models.
            needs_pretrained: whether there must be a pretrained one.
            apart: names or patterns of tensors that may have another shape in each model.

        Raises:
            ValueError: naming the model, the tensor, what was found and what was expected.
        """
        if needs_pretrained and not self.has_pretrained:
            raise ValueError(
                f"this method needs the pretrained model under the name '{PRETRAINED}'; "
                f"the pool has {self.all_model_names}"
            )
        checked = list(dict.fromkeys([self.pretrained_or_first_name, *names]))
        reference = self.load_params(checked[0])
        for name in checked:
            params = self.load_params(name)
            check_compatible(name, params, checked[0], reference, apart=apart)
            check_finite(name, params)

    @property
    def expected(self) -> dict[str, Any]:
        """What the files of models must hash to, by name."""
        return {str(name): expected for name, expected in (self._expect or {}).items()}

    def needed(self, names: Sequence[str]) -> list[Needed]:
        """What is read from files for ``names``: the models that are given by path."""
        paths = {name: self._path_of(name) for name in names}
        return [
            model_needed("models", name, f"model {name!r}", path, root=self._model_dir, cache_dir=self._cache_dir)
            for name, path in paths.items()
            if path is not None
        ]

    def training_needed(self, name: str) -> list[Needed]:
        """The files of the training data of ``name``."""
        entry = (self._train_datasets or {}).get(name)
        return task_needed(name, entry, split="train", data_dir=self._data_dir, cache_dir=self._cache_dir)

    def _path_of(self, name: str) -> str | Path | None:
        """The path or Hub id of a model; None for one in memory or with a ``_target_``."""
        source = self.get_model_config(name)
        return source if isinstance(source, str | Path) else None

    def fingerprints(self, names: Sequence[str]) -> dict[str, str]:
        """SHA-256 of what each of ``names``, and the pretrained model, holds."""
        listed = ([PRETRAINED] if self.has_pretrained else []) + list(names)
        return {name: self._fingerprint(name) for name in listed}

    def _fingerprint(self, name: str) -> str:
        digest = hashlib.sha256()
        for key, tensor in self.load_params(name).items():
            digest.update(f"{key} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
            flat = tensor.detach().cpu().contiguous().flatten()
            digest.update(flat.view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()

    # ---- data

    def load_train_dataset(self, name: str) -> Any:
        """The training data of ``name``, built if it was given as a config."""
        return self._load_dataset("train", name, self._train_datasets)

    def load_val_dataset(self, name: str) -> Any:
        """The validation data of ``name``."""
        return self._load_dataset("validation", name, self._val_datasets)

    def load_test_dataset(self, name: str) -> Any:
        """The test data of ``name``."""
        return self._load_dataset("test", name, self._test_datasets)

    def _load_dataset(self, split: str, name: str, datasets: Mapping[str, Any] | None) -> Any:
        if not datasets:
            key = {"validation": "val"}.get(split, split) + "_datasets"
            raise KeyError(
                f"no {split} data set {name!r}: this pool has no {key}; give it {key}: {{{name}: ID_OR_DIRECTORY}}"
            )
        if name not in datasets:
            raise KeyError(self._no_such(f"{split} data set", name, datasets))
        source = localised(datasets[name], self._data_dir)
        return build_plain(source) if isinstance(source, Mapping) and "_target_" in source else source

    def input_batches(
        self, names: Sequence[str], *, batch_size: int, limit: int | None, generator: torch.Generator
    ) -> Iterator[Tensor]:
        """Batches of inputs from the training data of all ``names``, mixed at random, each item once.

        Args:
            names: of training data; its items are tensors, pairs of one and its label, or have ``pixel_values``.
            batch_size: items a batch; the last may be smaller.
            limit: at most so many items in all; None takes all.
            generator: the source of the order.

        Raises:
            KeyError: if the pool has no training data of a name.
        """
        datasets = {name: self.training_inputs(name) for name in names}
        return union_batches(datasets, self.prepare_input, batch_size=batch_size, limit=limit, generator=generator)

    def has_train_datasets(self, names: Sequence[str]) -> bool:
        """Whether the pool has training data of all ``names``."""
        return all(name in (self._train_datasets or {}) for name in names)

    def training_inputs(self, name: str) -> Any:
        """The training data of ``name`` as an object with a length and items for :meth:`prepare_input`."""
        return self.load_train_dataset(name)

    def prepare_input(self, name: str, item: Any) -> Tensor:
        """The input of the models in one item of the training data of ``name``."""
        return plain_input(name, item)

    @staticmethod
    def _no_such(kind: str, name: str, known: Mapping[str, Any]) -> str:
        near = difflib.get_close_matches(name, list(known), n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        return f"no {kind} {name!r} in this pool; it has {list(known)}{hint}"


def as_modelpool(models: BaseModelPool | Mapping[str, Any] | Sequence[Any]) -> BaseModelPool:
    """``models`` itself if it is a pool, else a pool of the given dict or list of modules."""
    return models if isinstance(models, BaseModelPool) else BaseModelPool(models)
