"""Objects that know the configuration which rebuilds them."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

if TYPE_CHECKING:
    from omegaconf import DictConfig

C = TypeVar("C", bound="Configurable")


class Configurable:
    """Base of everything a ``_target_`` config builds.

    A dataclass is described by its fields. Any other class lists ``{attribute: config key}`` in
    ``_config_mapping``, or is decorated with :func:`fusion_bench.auto_register_config`.
    """

    _config_mapping: ClassVar[Mapping[str, str]] = {}

    @property
    def config(self) -> DictConfig:
        """The configuration that rebuilds this object: ``_target_`` and every argument.

        Raises:
            TypeError: if an argument is a live object (a module, a data set) that YAML cannot hold.
        """
        from omegaconf import OmegaConf

        cls = type(self)
        entries = {"_target_": f"{cls.__module__}.{cls.__qualname__}"}
        for attribute, key in self._configured_attributes().items():
            entries[key] = _plain(getattr(self, attribute), f"{cls.__name__}.{key}")
        return OmegaConf.create(entries)

    def to_yaml(self, path: str | Path) -> None:
        """Write :attr:`config` as YAML, atomically."""
        from omegaconf import OmegaConf

        from fusion_bench.utils.files import write_text

        write_text(path, OmegaConf.to_yaml(self.config))

    @classmethod
    def from_yaml(cls: type[C], path: str | Path) -> C:
        """Rebuild an object from the YAML file :meth:`to_yaml` wrote.

        Raises:
            TypeError: if the file describes something that is not a ``cls``.
        """
        from omegaconf import OmegaConf

        built = build(OmegaConf.load(path))
        if not isinstance(built, cls):
            raise TypeError(f"{path} describes a {type(built).__name__}, not a {cls.__name__}")
        return built

    def _configured_attributes(self) -> dict[str, str]:
        names: dict[str, str] = {}
        if dataclasses.is_dataclass(self):
            names = {field.name: field.name for field in dataclasses.fields(self) if field.init}
        return names | dict(self._config_mapping)


def build(config: Any, **extra: Any) -> Any:
    """Build what a ``_target_`` config names; nested configs are handed over as they are.

    Raises:
        ImportError: if the target does not exist; the message names it and what was looked for.
    """
    from hydra.utils import instantiate

    return instantiate(config, **extra, _recursive_=False, _convert_="none")


def locate(target: str) -> Any:
    """The object a dotted path names.

    Raises:
        ImportError: naming the first part of the path that does not exist.
    """
    module_name, _, name = target.rpartition(".")
    if not module_name:
        raise ImportError(f"{target!r} is not a dotted path such as 'package.module.Class'")
    try:
        return getattr(importlib.import_module(module_name), name)
    except AttributeError as error:
        raise ImportError(f"module {module_name!r} has no {name!r}") from error


def _plain(value: Any, where: str) -> Any:
    """``value`` as YAML can hold it.

    Raises:
        TypeError: naming ``where`` the value stands if it is a live object.
    """
    from omegaconf import DictConfig, ListConfig, OmegaConf

    if isinstance(value, DictConfig | ListConfig):
        return OmegaConf.to_container(value, resolve=False)
    if isinstance(value, Configurable):
        return value.config
    if isinstance(value, Mapping):
        return {str(key): _plain(item, f"{where}[{key!r}]") for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, f"{where}[{index}]") for index, item in enumerate(value)]
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, Path):
        return str(value)
    kind = f"class {value.__name__}" if inspect.isclass(value) else type(value).__name__
    raise TypeError(f"{where} is a live {kind}; only values that YAML can hold have a configuration")
