"""Every name that users' scripts and YAML files use resolves, and importing the package stays cheap."""

import importlib
import subprocess
import sys

import pytest

import fusion_bench
from fusion_bench.utils.configurable import locate

NAMES = [
    "fusion_bench.BaseAlgorithm",
    "fusion_bench.BaseModelFusionAlgorithm",
    "fusion_bench.BaseModelPool",
    "fusion_bench.BaseTaskPool",
    "fusion_bench.auto_register_config",
    "fusion_bench.method.BaseAlgorithm",
    "fusion_bench.method.ContinualAlgorithm",
    "fusion_bench.method.OneShotAlgorithm",
    "fusion_bench.method.opcm.OPCM",
    "fusion_bench.method.opcm.OPCMForCLIP",
    "fusion_bench.method.opcm.ContinualTaskArithmetic",
    "fusion_bench.method.opcm.ContinualTaskArithmeticForCLIP",
    "fusion_bench.method.opcm.ContinualTiesMerging",
    "fusion_bench.method.opcm.ContinualTiesMergingForCLIP",
    "fusion_bench.method.opcm.ContinualWeightAverage",
    "fusion_bench.method.opcm.ContinualWeightAverageForCLIP",
    "fusion_bench.method.opcm.opcm.OPCMForCLIP",
    "fusion_bench.method.opcm.opcm_general.OPCM",
    "fusion_bench.method.opcm.task_arithmetic.ContinualTaskArithmeticForCLIP",
    "fusion_bench.method.opcm.ties_merging.ContinualTiesMergingForCLIP",
    "fusion_bench.method.opcm.weight_average.ContinualWeightAverageForCLIP",
    "fusion_bench.method.opcm.utils.svd",
    "fusion_bench.method.opcm.utils.frobenius_inner_product",
    "fusion_bench.method.opcm.utils.get_task_vector_norm",
    "fusion_bench.modelpool.BaseModelPool",
    "fusion_bench.modelpool.CLIPVisionModelPool",
    "fusion_bench.taskpool.BaseTaskPool",
    "fusion_bench.taskpool.CLIPVisionModelTaskPool",
    "fusion_bench.taskpool.DummyTaskPool",
    "fusion_bench.programs.FabricModelFusionProgram",
    "fusion_bench.programs.merge_and_evaluate",
    "fusion_bench.mixins.LightningFabricMixin",
    "fusion_bench.mixins.SimpleProfilerMixin",
]
PACKAGES = [
    "fusion_bench",
    "fusion_bench.method",
    "fusion_bench.method.opcm",
    "fusion_bench.modelpool",
    "fusion_bench.taskpool",
    "fusion_bench.programs",
]
HEAVY = ("torch", "transformers", "datasets", "lightning", "hydra", "omegaconf", "numpy")


@pytest.mark.parametrize("name", NAMES)
def test_name_resolves(name):
    assert callable(locate(name))


@pytest.mark.parametrize("package", PACKAGES)
def test_lazy_names_match_all_and_dir(package):
    module = importlib.import_module(package)
    for name in module.__all__:
        assert getattr(module, name) is not None
    assert set(module.__all__) <= set(dir(module))


def test_unknown_name_is_an_attribute_error_with_the_nearest_one():
    with pytest.raises(AttributeError, match=r"module 'fusion_bench' has no attribute 'BaseModelPol'; did you mean"):
        fusion_bench.BaseModelPol  # noqa: B018  # the access is what is tested


def test_packages_import_nothing_heavy():
    imports = "; ".join(f"import {package}" for package in [*PACKAGES, "fusion_bench.mixins"])
    code = f"import sys; {imports}; print([m for m in {HEAVY} if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
