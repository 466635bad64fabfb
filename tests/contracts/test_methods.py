"""What holds for every method that has a YAML file under ``config/method``; new ones are found by themselves."""

import copy
import dataclasses
import random
import socket
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from helpers import same_tensors
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from torch import Tensor, nn

from fusion_bench.modelpool import BaseModelPool
from fusion_bench.utils.configurable import locate

ROOT = Path(__file__).parents[2]
CONFIGS = ROOT / "config" / "method"
METHODS = sorted(path.relative_to(CONFIGS).with_suffix("").as_posix() for path in CONFIGS.rglob("*.yaml"))

# For options without a default (``???`` in the YAML): a value that fits models of the given names.
REQUIRED: dict[str, Callable[[Sequence[str]], dict]] = {
    "weighted_average": lambda names: {"weights": {name: index + 1.0 for index, name in enumerate(names)}},
}
# The same for options that a method of one family needs for a network of ours.
SPEC = {
    "groups": {
        "hidden": {
            "out": ["first.weight", "first.bias", "norm.weight", "norm.bias"],
            "in": ["head.weight"],
            "stat": ["norm.running_mean", "norm.running_var"],
            "taps": [{"module": "head"}],
        }
    },
    "untouched": ["scale"],
}
OF_FAMILY: dict[str, dict] = {"mudsc": {"spec": SPEC}}

MERGING = [method for method in METHODS if not method.startswith(("finetune/", "analysis/"))]  # train, measure

every_method = pytest.mark.parametrize("method", METHODS)
every_merging_method = pytest.mark.parametrize("method", MERGING)


class Net(nn.Module):
    """A parameter on the root, linear and normalisation layers, float and integer buffers."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.randn(5))
        self.first = nn.Linear(5, 7)
        self.norm = nn.BatchNorm1d(7)
        self.head = nn.Linear(7, 3, bias=False)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.head(self.norm(self.first(inputs * self.scale)).relu())


def make_pool(names: Sequence[str] = ("a", "b", "c"), dtype: torch.dtype = torch.float32) -> dict[str, nn.Module]:
    models = {}
    with torch.random.fork_rng():
        for seed, name in enumerate(["_pretrained_", *names]):
            torch.manual_seed(seed)
            models[name] = Net().to(dtype)
    models["a"].first.requires_grad_(False)
    models["a"].eval()
    return models


def config_of(method: str, names: Sequence[str] = ("a", "b", "c")) -> DictConfig:
    config = OmegaConf.load(CONFIGS / f"{method}.yaml")
    config.update(REQUIRED.get(method, lambda names: {})(names))
    config.update(OF_FAMILY.get(method.split("/", 1)[0], {}))
    if "seed" in config:
        config.seed = 0
    return config


def run(method: str, models: dict[str, nn.Module]) -> nn.Module:
    names = [name for name in models if name != "_pretrained_"]
    inputs = torch.randn(12, 5, generator=torch.Generator().manual_seed(0))
    pool = BaseModelPool(models, train_datasets=dict.fromkeys(names, inputs))
    return instantiate(config_of(method, names), _recursive_=False).run(pool)


def test_there_are_methods():
    assert len(METHODS) >= 8


@every_method
def test_the_target_stands_where_the_file_name_says(method):
    target = OmegaConf.load(CONFIGS / f"{method}.yaml")._target_
    assert target.rpartition(".")[0] == f"fusion_bench.method.{method.replace('/', '.')}"
    assert isinstance(locate(target), type)


@every_method
def test_the_keys_are_the_fields_with_their_defaults(method):
    entries = OmegaConf.to_container(OmegaConf.load(CONFIGS / f"{method}.yaml"))
    cls = locate(entries.pop("_target_"))
    defaults = {}
    for field in dataclasses.fields(cls):
        default = field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
        defaults[field.name] = "???" if default is dataclasses.MISSING else default
    assert list(entries.items()) == list(defaults.items())


@every_method
def test_the_configuration_comes_back(method, tmp_path):
    config = config_of(method)
    built = instantiate(config, _recursive_=False)
    assert built.config == config
    built.to_yaml(tmp_path / "method.yaml")
    assert OmegaConf.load(tmp_path / "method.yaml") == config
    assert type(built).from_yaml(tmp_path / "method.yaml").config == config


@every_method
def test_an_unknown_option_fails(method):
    config = OmegaConf.merge(config_of(method), {"no_such_option": 1})
    with pytest.raises(Exception, match="no_such_option"):
        instantiate(config, _recursive_=False)


def snapshot(models: dict[str, nn.Module]) -> dict:
    return {
        name: (
            id(model),
            model.training,
            [p.requires_grad for p in model.parameters()],
            copy.deepcopy(model.state_dict()),
        )
        for name, model in models.items()
    }


def refuse_network(*args):
    raise AssertionError("a method opened a connection")


@every_merging_method
def test_a_run_leaves_pool_random_state_and_disk_alone(method, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(socket.socket, "connect", refuse_network)
    models = make_pool()
    before = snapshot(models)
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    merged = run(method, models)
    assert list(models) == list(before)
    for name, (identity, training, requires_grad, tensors) in snapshot(models).items():
        assert (identity, training, requires_grad) == before[name][:3]
        assert same_tensors(tensors, before[name][3])
    assert random.getstate() == states[0]
    assert all(np.array_equal(now, then) for now, then in zip(np.random.get_state(), states[1], strict=True))
    assert torch.equal(torch.get_rng_state(), states[2])
    assert not any(tmp_path.iterdir())
    storages = {tensor.data_ptr() for model in models.values() for tensor in model.state_dict().values()}
    assert not any(tensor.data_ptr() in storages for tensor in merged.state_dict().values())
    assert all(parameter.grad_fn is None for parameter in merged.parameters())


@every_merging_method
def test_the_same_seed_gives_the_same_model(method):
    first = run(method, make_pool()).state_dict()
    torch.manual_seed(1234)
    assert same_tensors(first, run(method, make_pool()).state_dict())


@every_merging_method
@pytest.mark.parametrize("names", [("a",), ("a", "b", "c")], ids=["one", "three"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
def test_dtypes_and_shapes_are_kept_and_numbers_finite(method, names, dtype):
    models = make_pool(names, dtype)
    merged, base = run(method, models).state_dict(), models["_pretrained_"].state_dict()
    assert list(merged) == list(base)
    for name, tensor in merged.items():
        assert (tensor.dtype, tensor.shape) == (base[name].dtype, base[name].shape)
        assert torch.isfinite(tensor).all()


class _AnyTag(yaml.SafeLoader):
    """Reads ``mkdocs.yml`` with its Python tags left unread."""


_AnyTag.add_multi_constructor("", lambda loader, suffix, node: None)


def nav_pages(entry) -> list[str]:
    if isinstance(entry, str):
        return [entry]
    return [page for item in (entry.values() if isinstance(entry, dict) else entry) for page in nav_pages(item)]


@every_method
def test_a_page_of_the_documentation_is_in_the_navigation(method):
    assert (ROOT / "docs" / "methods" / f"{method}.md").is_file()
    site = yaml.load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"), Loader=_AnyTag)
    assert f"methods/{method}.md" in nav_pages(site["nav"])


@every_method
def test_there_is_a_test_module(method):
    family, _, name = method.rpartition("/")
    assert (ROOT / "tests" / "method" / family / f"test_{name}.py").is_file()
