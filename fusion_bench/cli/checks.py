"""What a composed configuration must satisfy before anything heavy is imported."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from typing import Any, cast

import yaml
from omegaconf import DictConfig, OmegaConf

from fusion_bench.cli.config_files import ConfigFiles
from fusion_bench.cli.finetune_checks import check_fine_tuning, entry_of, is_fine_tuning, names_of
from fusion_bench.cli.suggest import did_you_mean, nearest
from fusion_bench.programs.orders import OrderSettings, check_method

_FLAGS = ("fast_dev_run", "dry_run", "resume", "print_config", "print_function_call")
_OURS = "fusion_bench.method."
_LOGGER_PACKAGES = {"WandbLogger": "wandb", "MLFlowLogger": "mlflow", "TensorBoardLogger": "tensorboard"}


def check_config(config: DictConfig) -> None:
    """Refuse a configuration whose names or types cannot be right.

    Raises:
        ValueError: naming the key, what it holds and what it may hold.
    """
    choices, files = _hydra_choices()
    _check_required(config, files)
    plain = cast("dict[str, Any]", OmegaConf.to_container(config, resolve=True))
    for flag in _FLAGS:
        _check_type(flag, plain.get(flag), False)
    if not (plain.get("seed") is None or _is_int(plain["seed"])):
        raise ValueError(f"seed must be an integer or null, got {plain['seed']!r}")
    for group in ("method", "modelpool", "taskpool"):
        defaults = yaml.safe_load(files.read(f"{group}/{choices.get(group)}"))
        _check_types(group, plain.get(group), defaults)
    _check_order(plain)
    _check_orders(plain)
    _check_tasks(plain)
    check_fine_tuning(plain)
    _check_loggers(plain)


def _hydra_choices() -> tuple[Mapping[str, Any], ConfigFiles]:
    """The chosen option of each group and the files to choose from, as hydra knows them while a job runs."""
    from hydra.core.hydra_config import HydraConfig

    if not HydraConfig.initialized():
        return {}, ConfigFiles()
    runtime = HydraConfig.get().runtime
    places = [f"{source.schema}://{source.path}" for source in runtime.config_sources if source.path]
    return runtime.choices, ConfigFiles(place for place in places if place != "pkg://hydra.conf")


def _check_required(config: DictConfig, files: ConfigFiles) -> None:
    purposes = {"modelpool": "the models to merge", "method": "a merging method"}
    if is_fine_tuning(config):
        purposes = {"modelpool": "the model to start from", "taskpool": "the tasks", "method": "a training method"}
    for key, purpose in purposes.items():
        if OmegaConf.is_missing(config, key) or config.get(key) is None:
            hint = did_you_mean([], files.options(key), what="options")
            raise ValueError(f"choose {purpose} with {key}=OPTION{hint}")


def _check_types(where: str, value: Any, default: Any) -> None:
    """Compare the scalars of a part with those of the file it comes from."""
    if isinstance(value, Mapping) and isinstance(default, Mapping):
        for key in value:
            if key == "alpha" and value[key] == "auto" and "alphas" in default:
                continue  # the method chooses it
            if key in default:
                _check_types(f"{where}.{key}", value[key], default[key])
    elif not where.startswith("modelpool.models"):  # a model may be given as a path, a mapping, anything
        _check_type(where, value, default)


def _check_type(where: str, value: Any, default: Any) -> None:
    """Truth values stay truth values, numbers stay numbers; null and text say nothing about what may follow."""
    if isinstance(default, bool) and not isinstance(value, bool):
        raise ValueError(f"{where} must be true or false, got {value!r}")
    if _is_number(default) and value is not None and not _is_number(value):
        raise ValueError(f"{where} must be a number, got {value!r}")


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _check_order(plain: Mapping[str, Any]) -> None:
    """Names in ``method.order`` against ``modelpool.models``."""
    order = entry_of(plain, "method", "order")
    models = _models(plain)
    if isinstance(order, list) and models:
        _check_names("method.order", order, models, "models of the pool")


def _check_orders(plain: Mapping[str, Any]) -> None:
    """``orders`` against the method and ``modelpool.models``."""
    if plain.get("orders") is None:
        return
    settings, method, models = OrderSettings.read(plain["orders"]), plain.get("method") or {}, _models(plain)
    if str(method.get("_target_")).startswith(_OURS) and "shuffle_order" not in method:
        raise ValueError(
            "orders needs a method that merges one model at a time: method=opcm/...; this one has no order"
        )
    check_method(method)
    if models:
        settings.check(models)


def _models(plain: Mapping[str, Any]) -> list[str]:
    """The models that are merged, as far as the configuration names them."""
    return [name for name in names_of(entry_of(plain, "modelpool", "models")) if not _is_special(name)]


def _check_tasks(plain: Mapping[str, Any]) -> None:
    """Names in ``taskpool.tasks`` against ``taskpool.test_datasets``."""
    tasks = entry_of(plain, "taskpool", "tasks")
    known = names_of(entry_of(plain, "taskpool", "test_datasets"))
    if isinstance(tasks, list) and known:
        _check_names("taskpool.tasks", tasks, known, "tasks of the pool")


def _check_names(where: str, given: Iterable[Any], valid: Sequence[str], what: str) -> None:
    for name in map(str, given):
        if name not in valid:
            raise ValueError(f"{where}: no {name!r}{did_you_mean(nearest(name, valid), valid, what=what)}")
    for name in _repeated(map(str, given)):
        raise ValueError(f"{where}: {name!r} is named twice")


def _repeated(names: Iterable[str]) -> Iterator[str]:
    seen: list[str] = []
    for name in names:
        if name in seen:
            yield name
        seen.append(name)


def _check_loggers(plain: Mapping[str, Any]) -> None:
    """The package a logger needs, and the version that names the directory of the run."""
    loggers = entry_of(plain, "fabric", "loggers")
    if not isinstance(loggers, Mapping):
        return
    package = _LOGGER_PACKAGES.get(str(loggers.get("_target_")).rpartition(".")[2])
    if package and find_spec(package) is None:
        raise ValueError(f"fabric.loggers needs the package {package!r}: pip install {package}, or fabric/loggers=none")
    version = loggers.get("version")
    if isinstance(version, float | bool) or (isinstance(version, int) and version < 0):
        raise ValueError(f"fabric.loggers.version must be 0, 1, 2, ..., a name or null, got {version!r}")


def _is_special(name: str) -> bool:
    return name.startswith("_") and name.endswith("_")
