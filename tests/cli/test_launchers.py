"""Sweeps whose jobs run side by side end like those whose jobs run in turn."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
POOL = """
_target_: fusion_bench.modelpool.BaseModelPool
models:
  _pretrained_: {_target_: helpers.make_model, seed: 0}
  a: {_target_: helpers.make_model, seed: 1}
  b: {_target_: helpers.make_model, seed: 2}
"""


def sweep(tmp_path, *arguments, orders="[a,b],[b,a]") -> Path:
    """Run a sweep of two alphas by some orders; the directory that holds the jobs'."""
    (tmp_path / "configs" / "modelpool").mkdir(parents=True, exist_ok=True)
    (tmp_path / "configs" / "modelpool" / "small.yaml").write_text(POOL)
    command = [sys.executable, "-m", "fusion_bench", "--config-dir", str(tmp_path / "configs"), "-m", *arguments]
    command += ["method=opcm/opcm", "modelpool=small", "taskpool=dummy", "fabric/loggers=none", "executor=serial"]
    command += [
        "method.alpha=0.2,0.8",
        f"method.order={orders}",
        f"path.log_dir={tmp_path / 'sweep'}",
    ]
    paths = [str(ROOT / "tests"), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    done = subprocess.run(
        command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=500, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return tmp_path / "sweep"


def check(directory: Path, orders=(["a", "b"], ["b", "a"])) -> None:
    """Each job has the directory of its number, with its own setting, order and result."""
    jobs = sorted(path.name for path in directory.iterdir() if path.is_dir())
    assert jobs == [str(number) for number in range(2 * len(orders))]
    found = []
    for job in jobs:
        trace = json.loads((directory / job / "trace.json").read_text())
        order = json.loads((directory / job / "model_names.json").read_text())
        overrides = (directory / job / "overrides.yaml").read_text()
        found.append(("method.alpha=0.8" in overrides, order))
        assert len(trace) == 2
        assert (directory / job / "checkpoints" / "merged_model_1").is_dir()
    assert found == [(alpha, order) for alpha in (False, True) for order in orders]


def test_jobs_as_ray_tasks(tmp_path):
    pytest.importorskip("ray")
    check(sweep(tmp_path, "hydra/launcher=ray", orders="[b,a]"), orders=(["b", "a"],))  # a job there takes long


def test_jobs_in_processes_of_joblib(tmp_path):
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    check(sweep(tmp_path, "hydra/launcher=joblib", "hydra.launcher.n_jobs=2"))
