"""Objects that know the configuration which rebuilds them."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
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
    # Written by auto_register_config: the argument, and what its attribute was once the constructor had run.
    _recorded: Mapping[str, tuple[Any, Any]] = MappingProxyType({})

    @property
    def config(self) -> DictConfig:
        """The configuration that rebuilds this object: ``_target_`` and every argument.

        Raises:
            TypeError: if an argument is not known any more, or is a live object (a module, a data set) that YAML cannot
                hold.
        """
        from omegaconf import OmegaConf

        return OmegaConf.create(self.config_dict())

    def config_dict(self) -> dict[str, Any]:
        """:attr:`config` as dicts, lists, strings and numbers; raises what it raises."""
        cls = type(self)
        arguments = {key: _plain(value, f"{cls.__name__}.{key}") for key, value in self._arguments().items()}
        return {"_target_": f"{cls.__module__}.{cls.__qualname__}", **arguments}

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

    def _arguments(self) -> dict[str, Any]:
        """What the constructor has to be given to rebuild this object, in the order of its signature.

        Raises:
            TypeError: if the constructor has a parameter of which the object does not know the value.
        """
        known = {key: self._recorded_argument(key) for key in self._recorded}
        if dataclasses.is_dataclass(self):
            known |= {field.name: getattr(self, field.name) for field in dataclasses.fields(self) if field.init}
        known |= {key: getattr(self, attribute) for attribute, key in self._config_mapping.items()}
        named, takes_any = parameter_names(type(self))
        lost = [key for key in named if key not in known]
        if lost:
            raise TypeError(
                f"{type(self).__name__} has no configuration: its argument {lost[0]!r} is not recorded. List it in "
                "_config_mapping, or decorate the class with fusion_bench.auto_register_config"
            )
        further = [key for key in known if key not in named] if takes_any else []
        return {key: known[key] for key in [*named, *further]}

    def _recorded_argument(self, key: str) -> Any:
        """The argument as it was given, or what its attribute was set to since."""
        given, settled = self._recorded[key]
        now = vars(self).get(key)
        return given if now is settled else now


def build(config: Any, **extra: Any) -> Any:
    """Build what a ``_target_`` config names; nested configs are handed over as they are.

    Raises:
        ImportError: if the target does not exist; the message names it and what was looked for.
    """
    from hydra.utils import instantiate

    return instantiate(config, **extra, _recursive_=False, _convert_="none")


def build_plain(config: Any) -> Any:
    """As :func:`build`, for what is not of this package: nested settings are handed over as dicts and lists."""
    from hydra.utils import instantiate

    return instantiate(config, _recursive_=False, _convert_="all")


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


def parameter_names(cls: type) -> tuple[list[str], bool]:
    """Names of the constructor's parameters that have one, and whether it takes any other keyword."""
    parameters = list(inspect.signature(cls.__init__).parameters.values())[1:]  # type: ignore[misc]  # not called
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    named = [parameter.name for parameter in parameters if parameter.kind not in variadic]
    return named, any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters)


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
