"""The command as users start it: from any directory, cheaply, with configurations of their own, and in sweeps."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from cli_toys import VALID
from omegaconf import OmegaConf

HEAVY = ("torch", "transformers", "lightning", "datasets")
RECORD = "_target_=cli_toys.RecordingProgram"
PROBE = """
import sys
from fusion_bench.cli.main import main
try:
    main()
finally:
    loaded = [name for name in {heavy!r} if name in sys.modules]
    sys.stderr.write(f"loaded: {{loaded}}")
"""


def start(*arguments: str, cwd: Path, code: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run ``python -m fusion_bench``, or ``python -c code``, in a process of its own."""
    program = ["-c", code] if code else ["-m", "fusion_bench"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("HYDRA", "FUSION_BENCH"))}
    environment["PYTHONPATH"] = str(Path(__file__).parent)
    return subprocess.run(
        [sys.executable, *program, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, timeout=120
    )


@pytest.mark.parametrize(
    "arguments",
    [("--help",), ("--cfg", "job"), ("method.alhpa=1",), ("taskpool=dumy",), (*VALID, "method.order=[x]")],
    ids=["help", "cfg", "key", "option", "order"],
)
def test_config_commands_import_nothing_heavy(arguments, config_dir, tmp_path):
    done = start("--config-dir", str(config_dir), *arguments, cwd=tmp_path, code=PROBE.format(heavy=HEAVY))
    assert "loaded: []" in done.stderr


def test_importing_the_package_imports_nothing_heavy(tmp_path):
    code = "import sys, fusion_bench; print([n for n in ('torch', 'hydra', 'numpy', 'yaml') if n in sys.modules])"
    assert start(cwd=tmp_path, code=code).stdout.strip() == "[]"


def test_errors_are_one_message_and_a_non_zero_status(tmp_path):
    done = start("sed=1", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: no key 'sed' in the configuration; did you mean 'seed'?\n"


def test_a_config_folder_in_the_working_directory_changes_nothing(tmp_path):
    before = start("--cfg", "job", cwd=tmp_path)
    decoy = tmp_path / "config"
    (decoy / "method").mkdir(parents=True)
    (decoy / "__init__.py").touch()
    (decoy / "fabric_model_fusion.yaml").write_text("decoy: true\n", encoding="utf-8")
    (decoy / "method" / "dummy.yaml").write_text("decoy: true\n", encoding="utf-8")
    after = start("--cfg", "job", cwd=tmp_path)
    assert before.returncode == after.returncode == 0
    assert "fusion_bench.programs.FabricModelFusionProgram" in after.stdout
    assert after.stdout == before.stdout


def test_help_shows_groups_keys_and_the_choices_made(command, capsys):
    command("--help", "method=toys/toy")
    text = capsys.readouterr().out
    for expected in ("fabric/loggers: csv_logger", "method/toys: toy", "alpha: 0.5", "tiny8/mnist", "--multirun"):
        assert expected in text
    assert "$" not in text.replace("${", "")


def test_cfg_prints_the_configuration(command, capsys):
    command("--cfg", "job", "seed=3")
    assert OmegaConf.create(capsys.readouterr().out).seed == 3


def test_flags_may_stand_between_overrides(command, capsys):
    command("seed=3", "--cfg", "job", "method=toys/toy")
    printed = OmegaConf.create(capsys.readouterr().out)
    assert (printed.seed, printed.method.alpha) == (3, 0.5)


def test_search_path_adds_configurations(command, config_dir, tmp_path, capsys):
    (tmp_path / "more" / "method").mkdir(parents=True)
    (tmp_path / "more" / "method" / "mine.yaml").write_text("_target_: mine.Method\n", encoding="utf-8")
    command("--cfg", "job", f"hydra.searchpath=[file://{tmp_path / 'more'}]", "method=mine")
    assert OmegaConf.create(capsys.readouterr().out).method == {"_target_": "mine.Method"}


def test_another_primary_configuration(command, config_dir, capsys):
    (config_dir / "mine.yaml").write_text("defaults: [fabric_model_fusion, _self_]\nseed: 7\n", encoding="utf-8")
    command("--config-name", "mine", "--cfg", "job")
    assert OmegaConf.create(capsys.readouterr().out).seed == 7


def test_dry_run_returns_and_leaves_no_file(command, tmp_path):
    command(*VALID, "dry_run=true")
    assert [path for path in (tmp_path / "work").rglob("*") if path.is_file()] == []


def test_an_early_error_leaves_no_directory(error_of, tmp_path):
    error_of(*VALID, "method.order=[x]")
    assert list((tmp_path / "work").iterdir()) == []


@pytest.mark.parametrize("wrong", ["method.alhpa=0.3,0.5", "taskpool=dumy,dummy"])
def test_an_error_in_a_sweep_is_found_before_hydra_starts(error_of, tmp_path, monkeypatch, wrong):
    def started(*_, **__):
        raise AssertionError("hydra was started")

    monkeypatch.setattr("hydra._internal.hydra.Hydra.multirun", started)
    message = error_of("-m", *VALID, wrong)
    assert "no key 'method.alhpa'" in message or "no option 'dumy'" in message
    assert list((tmp_path / "work").iterdir()) == []


def test_a_sweep_runs_every_job(command, tmp_path):
    command("-m", *VALID, RECORD, "path.log_dir=a,b", "seed=range(1,3)")
    assert len(list(tmp_path.rglob("job.txt"))) >= 2


def test_a_configuration_may_ask_for_a_sweep(command, config_dir, tmp_path):
    mine = "defaults: [fabric_model_fusion, _self_]\nhydra: {mode: MULTIRUN}\n"
    (config_dir / "mine.yaml").write_text(mine, encoding="utf-8")
    command("--config-name=mine", *VALID, RECORD, "path.log_dir=a,b")
    assert jobs(tmp_path) == {"a": "0", "b": "1"}


def test_a_run_works_in_its_log_directory(command, tmp_path):
    command(*VALID, RECORD)
    (file,) = tmp_path.rglob("job.txt")
    assert file.parent.parent == tmp_path / "work" / "outputs" / "fabric_model_fusion"


def test_an_unused_directory_of_hydra_is_removed(command, tmp_path):
    command(*VALID, RECORD, "fabric.loggers.root_dir=logs", "fabric.loggers.name=n", "fabric.loggers.version=4")
    assert [path.parent for path in tmp_path.rglob("job.txt")] == [tmp_path / "work/logs/n/version_4"]
    assert list((tmp_path / "work" / "outputs").iterdir()) == []


def jobs(tmp_path: Path) -> dict[str, str]:
    """Job number by directory, relative to the working directory and without time stamps."""
    work = tmp_path / "work"
    found = {file.parent.relative_to(work).as_posix(): file.read_text() for file in work.rglob("job.txt")}
    return {name.partition("20")[2].partition("/")[2] or name: number for name, number in sorted(found.items())}


LOGGER = ("fabric.loggers.root_dir=logs", "fabric.loggers.name=n")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["method.alpha=0.1,0.2"], {"0": "0", "1": "1"}),
        (["method.alpha=0.1,0.2", "path.log_dir=fixed"], {"fixed/0": "0", "fixed/1": "1"}),
        (["path.log_dir=a,b"], {"a": "0", "b": "1"}),
        ([*LOGGER, "fabric.loggers.version=0,1"], {"logs/n/version_0": "0", "logs/n/version_1": "1"}),
        (
            [*LOGGER, "fabric.loggers.version=0", "method.alpha=0.1,0.2"],
            {"logs/n/version_0/0": "0", "logs/n/version_0/1": "1"},
        ),
        ([*LOGGER, "method.alpha=0.1,0.2"], {"logs/n/version_0": "0", "logs/n/version_1": "1"}),
        (
            ["fabric.loggers.name=alpha_${method.alpha}", "fabric.loggers.version=0", "method.alpha=0.1,0.2"],
            {"outputs/alpha_0.1/version_0": "0", "outputs/alpha_0.2/version_0": "1"},
        ),
    ],
    ids=["default", "fixed directory", "swept directory", "swept version", "fixed version", "free version", "template"],
)
def test_jobs_of_a_sweep_never_share_a_directory(arguments, expected, command, tmp_path):
    command("-m", *VALID, RECORD, *arguments)
    assert jobs(tmp_path) == expected
