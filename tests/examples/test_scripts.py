"""The example scripts: valid shell, known names, skipping and resuming."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
CONFIG = REPOSITORY / "config"
SCRIPTS = sorted(REPOSITORY.glob("examples/**/*.sh"))
RUNNABLE = [
    script for script in SCRIPTS if script.parent.name == "opcm" and script.name not in ("common.sh", "sweep.sh")
]  # the latter has its own tests

FAKE = """#!/usr/bin/env bash
echo "$@" >> "$CALLS"
for argument in "$@"; do case $argument in
  method=*) method=${argument#*=} ;;
  method.alpha=*) alpha=${argument#*=} ;;
  fabric.loggers.root_dir=*) root=${argument#*=} ;;
  fabric.loggers.name=*) name=${argument#*=} ;;
  fabric.loggers.version=*) version=${argument#*=} ;;
esac; done
run=$root/$name/version_$version
mkdir -p "$run/resume"
printf 'method: {_target_: "%s", alpha: "%s"}\\nseed: "%s"\\n' "$method" "${alpha:-}" "$version" > "$run/config.yaml"
cp "$REPORT" "$run/program_report.json"
"""


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_script_is_valid_shell(script: Path):
    subprocess.run(["bash", "-n", script], check=True)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_pools_named_in_scripts_exist(script: Path):
    text = script.read_text(encoding="utf-8")
    for group, pattern in (
        ("modelpool", r"CLIPVisionModelPool/[\w-]+"),
        ("taskpool", r"CLIPVisionModelTaskPool/[\w-]+"),
    ):
        for name in re.findall(pattern, text):
            assert (CONFIG / group / f"{name}.yaml").is_file(), name


@pytest.fixture
def shell(tmp_path: Path, monkeypatch):
    """Runs a script with a stand-in for the command; gives the calls that were made."""
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "fusion_bench").write_text(FAKE)
    (tools / "fusion_bench").chmod(0o755)
    report = {
        "model_info": {"trainable_params": 1, "all_params": 1, "trainable_percentage": 1.0},
        "digits": {"accuracy": 0.5, "loss": 1.0},
        "average": {"accuracy": 0.5, "loss": 1.0},
    }
    (tmp_path / "report.json").write_text(json.dumps(report))

    def run(script: Path, **settings: str) -> tuple[list[str], str]:
        calls = tmp_path / "calls"
        calls.write_text("")
        environment = {
            "CALLS": str(calls),
            "REPORT": str(tmp_path / "report.json"),
            "OUTPUT": str(tmp_path / "output"),
            "MODELPOOL": "a_pool",
            "INDIVIDUAL": "null",
            "FUSION_BENCH": str(tools / "fusion_bench"),
            "FUSION_BENCH_REPORT": f"{sys.executable} -m fusion_bench.cli.report",
            **settings,
        }
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        done = subprocess.run(["bash", script], check=True, capture_output=True, text=True)
        return calls.read_text().splitlines(), done.stdout

    return run


@pytest.mark.parametrize("script", RUNNABLE, ids=lambda path: path.name)
def test_methods_that_a_script_runs_exist(shell, script: Path):
    calls, _ = shell(script)
    assert calls
    for call in calls:
        (method,) = re.findall(r"\bmethod=(\S+)", call)
        assert (CONFIG / "method" / f"{method}.yaml").is_file(), method


@pytest.mark.parametrize("script", RUNNABLE, ids=lambda path: path.name)
def test_finished_runs_are_skipped_and_summarised(shell, script: Path):
    first, table = shell(script)
    again, same_table = shell(script)
    assert first
    assert again == []
    assert re.search(r" 50\.0( ± 0\.0)?$", table, re.MULTILINE)
    assert same_table.splitlines()[-1] == table.splitlines()[-1]


def test_interrupted_runs_are_resumed(shell, tmp_path: Path):
    script = REPOSITORY / "examples/opcm/alpha.sh"
    (fresh,), _ = shell(script, ALPHAS="0.5")
    run = tmp_path / "output/alpha/alpha_0.5/version_0"
    (run / "program_report.json").unlink()
    (run / "resume/run.json").touch()
    (resumed,), _ = shell(script, ALPHAS="0.5")
    assert "resume=false" in fresh.split()
    assert resumed == fresh.replace("resume=false", "resume=true")


def test_options_are_passed_on(shell):
    calls, _ = shell(REPOSITORY / "examples/opcm/orders.sh", SEEDS="3")
    assert all("seed=3" in call.split() for call in calls)


SWEEP = REPOSITORY / "examples/opcm/sweep.sh"


@pytest.mark.parametrize(("launcher", "setting"), [("ray", ""), ("joblib", "hydra.launcher.n_jobs=2")])
def test_a_sweep_is_one_call_and_runs_what_is_missing(shell, tmp_path: Path, launcher, setting):
    def finish(alpha: str, seed: int) -> None:
        directory = tmp_path / f"output/sweep/alpha_{alpha}/version_{seed}"
        directory.mkdir(parents=True)
        (directory / "program_report.json").write_text((tmp_path / "report.json").read_text())
        (directory / "config.yaml").write_text(f"method: {{_target_: opcm/opcm, alpha: {alpha}}}\nseed: {seed}\n")

    settings = {"LAUNCHER": launcher, "JOBS": "2", "ALPHAS": "0.2 0.8", "SEEDS": "0 1"}
    for alpha, seed in (("0.2", 0), ("0.2", 1), ("0.8", 0)):
        finish(alpha, seed)
    (call,), _ = shell(SWEEP, **settings)
    for argument in (
        "-m",
        f"hydra/launcher={launcher}",
        "method.alpha=0.2,0.8",
        "seed=0,1",
        "resume=true",
        *setting.split(),
    ):
        assert argument in call.split()
    finish("0.8", 1)
    calls, table = shell(SWEEP, **settings)
    assert calls == []
    assert re.search(r"^opcm/opcm +0\.2 +2 ", table, re.MULTILINE)
    assert re.search(r"^opcm/opcm +0\.8 +2 ", table, re.MULTILINE)


def test_a_sweep_knows_its_launchers(shell):
    with pytest.raises(subprocess.CalledProcessError) as failure:
        shell(SWEEP, LAUNCHER="cloud")
    assert "LAUNCHER must be ray or joblib, got cloud" in failure.value.stderr
