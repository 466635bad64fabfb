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
    script
    for script in SCRIPTS
    if script.parent.name == "opcm" and script.name not in ("common.sh", "sweep.sh", "compare.sh")
]  # the last two have tests of their own

CONTINUAL = sorted(CONFIG.glob("method/opcm/*.yaml"))

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


COMPARE = REPOSITORY / "examples/opcm/compare.sh"


@pytest.fixture
def comparing(shell, tmp_path: Path):
    """Runs the comparison with a stand-in for the command that reports, which notes its arguments."""
    tool = tmp_path / "bin" / "fusion_bench_report"
    tool.write_text('#!/usr/bin/env bash\necho "REPORT $*" >> "$CALLS"\nwhile [[ $1 != --html ]]; do shift; done\n'
                    'mkdir -p "$(dirname "$2")"; echo page > "$2"\n')  # fmt: skip
    tool.chmod(0o755)
    return lambda **settings: shell(COMPARE, FUSION_BENCH_REPORT=str(tool), **settings)


def test_a_comparison_runs_every_continual_method_over_the_same_orders_and_then_nothing(comparing, tmp_path: Path):
    calls, text = comparing(ORDERS="3", SEED="7")
    *runs, report = calls
    over_orders = [call for call in runs if "orders.count=3" in call.split() and "orders.seed=7" in call.split()]
    methods = {re.findall(r"\bmethod=(\S+)", call)[0] for call in over_orders}
    assert methods == {path.relative_to(CONFIG / "method").with_suffix("").as_posix() for path in CONTINUAL}
    assert {re.findall(r"\bmethod=(\S+)", call)[0] for call in runs} - methods == {"analysis/individual", "dummy"}
    assert any("method=opcm/ties_merging" in call and "method.threshold=50" in call for call in runs)
    assert sum("method.alpha=0.6" in call for call in runs) == 2  # both forms of OPCM
    page = re.findall(r"--html (\S+)", report)[0]
    assert Path(page).read_text() == "page\n"
    assert f"comparison: {Path(page).parent}" in text
    again, same = comparing(ORDERS="3", SEED="7")
    assert again == []
    assert same.splitlines()[-1] == text.splitlines()[-1]


def test_a_comparison_uses_the_individual_accuracies_that_it_measured(comparing):
    calls, _ = comparing(INDIVIDUAL="tiny8/individual.json")
    individual, *others = (re.findall(r"individual_accuracy=(\S+)", call) for call in calls[:-1])
    assert individual == ["tiny8/individual.json"]
    assert all(len(found) == 1 and found[0].endswith("individual/version_0/program_report.json") for found in others)


def test_a_sweep_knows_its_launchers(shell):
    with pytest.raises(subprocess.CalledProcessError) as failure:
        shell(SWEEP, LAUNCHER="cloud")
    assert "LAUNCHER must be ray or joblib, got cloud" in failure.value.stderr
