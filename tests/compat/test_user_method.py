"""The README's example of a user's method runs as it is written there, through the command line."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file

from fusion_bench import BaseModelPool

ROOT = Path(__file__).parents[2]
ORACLE = ROOT / "tests" / "oracle" / "continual"


@pytest.fixture
def project(tmp_path):
    """A user's directory: the two files of the README, and a pool of two checkpoints."""
    blocks = re.findall(r"```(?:python|yaml)\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    for name in ("my_method.py", "my_configs/method/my_method.yaml"):
        (code,) = (block for block in blocks if block.startswith(f"# {name}\n"))
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(code)
    pool = {
        "_target_": "fusion_bench.modelpool.CLIPVisionModelPool",
        "models": {name: str(ORACLE / name) for name in ("task_a", "task_b")},
    }
    path = tmp_path / "my_configs" / "modelpool" / "mine.yaml"
    path.parent.mkdir()
    path.write_text(yaml.safe_dump(pool))
    return tmp_path


@pytest.mark.slow
def test_the_example_of_the_readme_runs_from_the_command_line(project):
    arguments = ["--config-dir", "my_configs", "method=my_method", "method.hyperparam_1=0.25"]
    arguments += ["modelpool=mine", "taskpool=dummy"]
    arguments += ["fabric/loggers=none", "fabric.accelerator=cpu", "path.log_dir=out", "merged_model_save_path=merged"]
    result = subprocess.run(
        [sys.executable, "-m", "fusion_bench", *arguments],
        cwd=project,
        env={**os.environ, "PYTHONPATH": f"{project}{os.pathsep}{ROOT}", "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    first, second = (load_file(ORACLE / name / "model.safetensors") for name in ("task_a", "task_b"))
    merged = load_file(project / "merged" / "model.safetensors")
    assert merged.keys() == first.keys()
    for name, tensor in merged.items():
        torch.testing.assert_close(tensor, torch.lerp(first[name], second[name], 0.25))
    report = json.loads((project / "out" / "program_report.json").read_text())
    assert report["model_info"]["all_params"] > 0
    config = yaml.safe_load((project / "out" / "config.yaml").read_text())
    assert config["method"] == {"_target_": "my_method.MyMethod", "hyperparam_1": 0.25, "hyperparam_2": []}


def test_the_example_of_the_readme_keeps_its_configuration(project, monkeypatch):
    monkeypatch.syspath_prepend(str(project))
    monkeypatch.delitem(sys.modules, "my_method", raising=False)
    from my_method import MyMethod

    method = MyMethod(0.1, hyperparam_2=["weight"])
    method.to_yaml(project / "method.yaml")
    assert MyMethod.from_yaml(project / "method.yaml").config == method.config
    assert method.config_dict() == {"_target_": "my_method.MyMethod", "hyperparam_1": 0.1, "hyperparam_2": ["weight"]}
    merged = method.run(BaseModelPool({"a": torch.nn.Linear(2, 2), "b": torch.nn.Linear(2, 2)}))
    assert isinstance(merged, torch.nn.Linear)
    monkeypatch.delitem(sys.modules, "my_method", raising=False)
