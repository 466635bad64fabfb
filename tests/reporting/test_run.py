"""Names and properties of a run."""

from pathlib import Path

import pytest
import yaml
from run_dirs import OPCM, run_config

from fusion_bench.report import EvalReport, ModelInfo
from fusion_bench.reporting.run import Run, method_name

ROOT = Path(__file__).parents[2]
METHODS = {
    path.relative_to(ROOT / "config/method").with_suffix("").as_posix(): yaml.safe_load(path.read_text())["_target_"]
    for path in sorted((ROOT / "config/method").rglob("*.yaml"))
}


def make(**config):
    return Run(directory=Path("x"), config=run_config("ab", **config), report=EvalReport(ModelInfo(1, 1)))


@pytest.mark.parametrize(("name", "target"), METHODS.items())
def test_methods_have_the_names_of_the_command_line(name, target):
    assert method_name(target) == name
    assert method_name(target, (f"method={name}",)) == name


@pytest.mark.parametrize(
    ("target", "overrides", "name"),
    [
        ("fusion_bench.method.opcm.opcm.OPCMForCLIP", ("method=mine",), "opcm/opcm"),
        ("fusion_bench.method.opcm.OPCM", (), "fusion_bench.method.opcm.OPCM"),
        ("my_method.MyMethod", ("seed=3", "method=my_method"), "my_method"),
        ("my_method.MyMethod", ("seed=3",), "my_method.MyMethod"),
        ("", (), ""),
    ],
)
def test_names_of_other_methods(target, overrides, name):
    assert method_name(target, overrides) == name


def test_the_seed_of_the_method_goes_before_that_of_the_run():
    assert make(seed=3).seed == 3
    assert make(seed=3, method=OPCM | {"seed": 0}).seed == 0
    assert make().seed is None


def test_a_run_without_records():
    run = Run(directory=Path("x"), config={"method": None}, report=EvalReport(ModelInfo(1, 1)))
    assert (run.method, run.settings, run.sessions, run.seconds, run.order) == ("", {}, [], {}, None)
