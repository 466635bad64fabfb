"""Finding runs by their files: what is one, what is not, and why."""

import json
import os

import pytest
import yaml
from run_dirs import OPCM, run_config, write_run

from fusion_bench.reporting.runs import find_runs

SCORES = {"a": 0.5, "b": 0.75}


def only_problem(found):
    assert found.runs == ()
    (problem,) = found.problems
    return problem


def test_a_run_is_found_at_any_depth_with_what_its_files_say(tmp_path):
    config = run_config("ab", OPCM | {"seed": 3})
    directory = write_run(tmp_path / "x/y/z", SCORES, config=config, order="ba", overrides=["method=opcm/opcm"])
    (directory / "trace.json").write_text('[{"step": 0, "name": "b"}]')
    (directory / "provenance.json").write_text(
        '{"sessions": [{"seconds": {"merging": 1.5}}, {"seconds": {"merging": 2}}]}'
    )
    found = find_runs([tmp_path])
    assert found.problems == ()
    (run,) = found.runs
    assert run.directory == directory
    assert (run.method, run.backbone.name, run.suite.name) == ("opcm/opcm", "tower", "toys: a, b")
    assert run.suite.tasks == ("a", "b")
    assert (run.order, run.seed) == (("b", "a"), 3)
    assert run.hyper_parameters == {"alpha": 0.5}
    assert run.overrides == ("method=opcm/opcm",)
    assert run.trace == ({"step": 0, "name": "b"},)
    assert run.seconds == {"merging": 3.5}
    assert run.report.average.accuracy == 0.625


def test_runs_come_in_the_order_of_their_numbers_each_once(tmp_path):
    for number in (10, 9, 1):
        write_run(tmp_path / f"version_{number}", SCORES)
    os.symlink(tmp_path, tmp_path / "version_1/loop")
    os.symlink(tmp_path / "version_9", tmp_path / "again")
    found = find_runs([tmp_path, tmp_path / "version_9", tmp_path])
    assert found.problems == ()
    assert [run.directory.resolve().name for run in found.runs] == ["version_9", "version_1", "version_10"]


def test_what_is_no_run_is_passed_over(tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other/config.yaml").write_text("name: somebody else's\n")
    (tmp_path / "other/report.json").write_text("{}")
    write_run(tmp_path / "run/checkpoints/merged_model_0", SCORES)
    write_run(tmp_path / ".hidden", SCORES)
    (write_run(tmp_path / "tuned", SCORES) / "finetune_report.json").write_text("{}")
    (write_run(tmp_path / "several", SCORES) / "orders.json").write_text("[]")
    assert find_runs([tmp_path]) == find_runs([])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("program_report.json", "", "program_report.json is empty"),
        ("program_report.json", '{"model_info": {"trainable_params": 1,', "program_report.json is truncated"),
        ("program_report.json", "hello", "program_report.json is not JSON"),
        ("program_report.json", "[1]", "program_report.json holds a list, not an object"),
        ("program_report.json", '{"a": 1}', "program_report.json is not an evaluation report: KeyError: 'model_info'"),
        ("program_report.json", b"\xff\xfe\x00", "program_report.json is not JSON"),
        ("program_report.json", '{"x":' * 100_000, "program_report.json is nested too deep"),
        ("continual_report.json", "{", "continual_report.json is truncated"),
        ("continual_report.json", "{}", "continual_report.json: not a continual report: KeyError: 'order'"),
        ("config.yaml", "method: [", "config.yaml is not YAML"),
        ("config.yaml", "a: 1", "config.yaml is not the configuration of a run: it has no key 'method'"),
        ("config.yaml", b"\xff", "config.yaml is not YAML"),
    ],
)
def test_a_damaged_file_is_reported_and_the_others_are_found(tmp_path, name, content, message):
    good = write_run(tmp_path / "good", SCORES, order="ab")
    bad = write_run(tmp_path / "bad", SCORES, order="ab")
    (bad / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    found = find_runs([tmp_path])
    assert [run.directory for run in found.runs] == [good]
    (problem,) = found.problems
    assert (problem.path, problem.state) == (bad, "broken")
    assert message in problem.message
    assert "\n" not in str(problem)


@pytest.mark.parametrize("value", [75.5, -0.1, True, "0.5", None, float("nan")])
def test_an_accuracy_that_is_none_is_reported(tmp_path, value):
    directory = write_run(tmp_path, SCORES)
    report = json.loads((directory / "program_report.json").read_text())
    report["a"]["accuracy"] = value
    (directory / "program_report.json").write_text(json.dumps(report))
    problem = only_problem(find_runs([tmp_path]))
    assert problem.message == f"program_report.json: accuracy of 'a' must be a number in 0..1, got {value!r}"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"accuracy_matrix": [[0.9, None]]}, "needs a row for each model and a column for each task"),
        ({"accuracy_matrix": [[0.9], [0.5]]}, "needs a row for each model and a column for each task"),
        ({"accuracy_matrix": [[90, None], [0.5, 0.75]]}, "every accuracy must be a number in 0..1"),
        ({"individual_accuracy": {"a": "high"}}, "every accuracy must be a number in 0..1"),
        ({"order": ["a", "c"]}, "every task must be in the order of the models"),
        ({"accuracy_matrix": [[0.9, None], [0.5, 0.7]]}, "disagree about 'b': 0.7000 and 0.7500"),
    ],
)
def test_an_accuracy_matrix_that_cannot_be_is_reported(tmp_path, change, message):
    directory = write_run(tmp_path, SCORES, order="ab")
    report = json.loads((directory / "continual_report.json").read_text())
    (directory / "continual_report.json").write_text(json.dumps(report | change))
    problem = only_problem(find_runs([tmp_path]))
    assert problem.state == "broken"
    assert message in problem.message


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("trace.json", "[1]"),
        ("trace.json", "[{"),
        ("provenance.json", "{}"),
        ("provenance.json", '{"sessions": [{"seconds": {"merging": "long"}}]}'),
        ("overrides.yaml", "a: 1"),
    ],
)
def test_a_run_is_kept_without_a_file_it_can_do_without(tmp_path, name, content):
    (write_run(tmp_path, SCORES) / name).write_text(content)
    found = find_runs([tmp_path])
    (run,) = found.runs
    assert (run.trace, run.provenance, run.seconds) == (None, None, {})
    (problem,) = found.problems
    assert problem.state == "incomplete"
    assert problem.message.startswith(f"{name} is left out: ")


def test_an_unfinished_run_is_told_apart_from_a_failed_and_from_a_broken_one(tmp_path):
    for name in ("running", "failed", "resumed", "silent", "stopped", "missing", "empty"):
        directory = write_run(tmp_path / name, SCORES)
        (directory / "program_report.json").unlink()
        (directory / "cli.log").write_text("[2026-01-01 00:00:00,000][INFO] fusion_bench: merged a\n")
    record = "[2026-01-01 00:00:01,000][ERROR] fusion_bench.programs.run_files: the run failed\n"
    traceback = "Traceback (most recent call last):\n  File 'merge.py', line 1, in merge\n    merge()\n"
    cause = f"{traceback}ValueError: odd\n\nThe above exception was the direct cause of the following exception:\n\n"
    failure = f"{record}{cause}{traceback}OSError: full\nfree some space\nfull_key: method\n"
    for name in ("failed", "resumed"):
        with (tmp_path / name / "cli.log").open("a") as log:
            log.write(failure)
    with (tmp_path / "missing/cli.log").open("a") as log:
        log.write(f"{record}{traceback}FileNotFoundError: 1 part is missing:\n  model 'a': no such directory\nor not\n")
    with (tmp_path / "empty/cli.log").open("a") as log:
        log.write(record)
    with (tmp_path / "stopped/cli.log").open("a") as log:
        log.write(f"{record}{traceback}KeyboardInterrupt\n")
    with (tmp_path / "resumed/cli.log").open("a") as log:
        log.write("[2026-01-01 00:00:02,000][INFO] fusion_bench: merged b\n")
    config = yaml.safe_load((tmp_path / "silent/config.yaml").read_text())
    (tmp_path / "silent/config.yaml").write_text(yaml.safe_dump(config | {"report_save_path": None}))
    found = find_runs([tmp_path])
    assert found.runs == ()
    problems = {problem.path.name: problem for problem in found.problems}
    for name in ("running", "resumed", "silent", "stopped"):
        assert problems[name].state == "unfinished"
    assert problems["stopped"].message.startswith("stopped by hand: no program_report.json; last written 20")
    assert problems["running"].message.startswith("not finished: no program_report.json; last written 20")
    assert (problems["failed"].state, problems["failed"].message) == ("failed", "it failed: OSError: full")
    missing = "it failed: FileNotFoundError: 1 part is missing: model 'a': no such directory"
    assert (problems["missing"].state, problems["missing"].message) == ("failed", missing)
    assert problems["empty"].message == "it failed: no reason is in the log"
    assert "report_save_path=null" in problems["silent"].message


def test_a_report_elsewhere_in_the_directory_is_read(tmp_path):
    config = run_config("ab", report_save_path="{log_dir}/scores.json")
    directory = write_run(tmp_path, SCORES, config=config)
    (directory / "program_report.json").rename(directory / "scores.json")
    (run,) = find_runs([tmp_path]).runs
    assert run.report.average.accuracy == 0.625


def test_a_report_without_configuration_is_reported(tmp_path):
    (write_run(tmp_path, SCORES) / "config.yaml").unlink()
    assert only_problem(find_runs([tmp_path])).message == "no config.yaml beside the report"


def test_a_directory_that_cannot_be_read_is_reported(tmp_path, monkeypatch):
    good, closed = write_run(tmp_path / "a", SCORES), tmp_path / "closed"
    closed.mkdir()
    scan = os.scandir

    def refuse(path):
        if os.fspath(path) == os.fspath(closed):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    found = find_runs([tmp_path, tmp_path / "nowhere"])
    assert [run.directory for run in found.runs] == [good]
    assert [(problem.path.name, problem.state) for problem in found.problems] == [
        ("closed", "unreadable"),
        ("nowhere", "unreadable"),
    ]
    assert found.problems[0].message == "cannot be read: Permission denied"


def test_a_report_that_was_lost_is_told_apart_from_one_that_is_yet_to_come(tmp_path):
    directory = write_run(tmp_path, SCORES)
    (directory / "program_report.json").unlink()
    for sessions, state in (([{"status": "finished"}], "broken"), ([{"status": "running"}], "unfinished")):
        (directory / "provenance.json").write_text(json.dumps({"sessions": sessions}))
        assert only_problem(find_runs([tmp_path])).state == state
    (directory / "provenance.json").write_text('{"sessions": []}')
    assert only_problem(find_runs([tmp_path])).state == "unfinished"


def test_orders_that_are_not_begun_are_said(tmp_path):
    for index, order in enumerate(("ab", "ba")):
        write_run(tmp_path / f"order_{index:02d}", SCORES, order=order)
    (tmp_path / "config.yaml").write_text("method: {}")
    for content, messages in (
        ([["a", "b"], ["b", "a"]], []),
        ([["a", "b"], ["b", "a"], ["a", "b"]], ["not finished: 1 of 3 orders are not begun"]),
        ("[", ["orders.json cannot be read; the orders that are there are taken"]),
    ):
        (tmp_path / "orders.json").write_text(content if isinstance(content, str) else json.dumps(content))
        found = find_runs([tmp_path])
        assert len(found.runs) == 2
        assert [problem.message for problem in found.problems] == messages
