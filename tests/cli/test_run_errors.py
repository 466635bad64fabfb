"""Errors that a job meets after composition: what is one line, what keeps its traceback."""

import pytest
from cli_toys import VALID

from fusion_bench.cli.run_errors import explain_run, plain_message

RECORD = "_target_=cli_toys.RecordingProgram"


def test_value_out_of_range_names_the_part(error_of, capsys):
    message = error_of(*VALID, RECORD, "method.alpha=2")
    assert message == "error: method: alpha must be in [0, 1], got 2"
    assert capsys.readouterr().err == ""


def test_unknown_argument_lists_the_valid_ones(error_of):
    message = error_of(*VALID, RECORD, "+method.alhpa=1")
    assert message == (
        "error: method: ToyMethod has no key 'alhpa'; did you mean 'alpha'? It has shuffle_order, order, alpha"
    )


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("cli_toys.ToyMetod", "cli_toys has no 'ToyMetod'; did you mean 'ToyMethod'?"),
        ("no_such_module.Thing", "no module named 'no_such_module'"),
        ("fusion_bench.utils.file.Thing", "fusion_bench.utils has no 'file'; did you mean 'files'?"),
    ],
)
def test_target_that_does_not_exist_is_named_with_its_file(error_of, target, reason):
    message = error_of(*VALID, RECORD, f"method._target_={target}")
    assert message == f"error: method: cannot import _target_ {target!r} of method/toys/toy.yaml: {reason}"


def test_missing_file_is_one_line(error_of):
    message = error_of(*VALID, "_target_=cli_toys.MissingFileProgram")
    assert message == "error: No such file or directory: missing.json"


def test_bug_keeps_its_traceback(command):
    with pytest.raises(AssertionError, match="a bug"):
        command(*VALID, "_target_=cli_toys.BuggyProgram")


def test_full_error_chains_the_original(command, monkeypatch):
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    with pytest.raises(Exception, match="alpha must be in") as raised:
        command(*VALID, RECORD, "method.alpha=2")
    assert raised.value.__cause__ is not None


def test_failing_job_of_a_sweep_is_reported_with_its_overrides_and_the_others_run(error_of, tmp_path, capsys):
    message = error_of("-m", *VALID, RECORD, "method.alpha=2,0.1,3")
    assert message.startswith("error: job 0 (")
    assert "method.alpha=2" in message
    assert message.endswith("method: alpha must be in [0, 1], got 2")
    captured = capsys.readouterr()
    assert "job 2 (" in captured.out
    assert "got 3" in captured.out
    assert captured.err == ""
    assert [file.read_text() for file in tmp_path.rglob("job.txt")] == ["1"]


def test_errors_without_words_name_their_type():
    assert plain_message(KeyError("sun")) == "KeyError: sun"
    assert plain_message(KeyError("no model 'sun' in this pool")) == "no model 'sun' in this pool"
    assert explain_run(AttributeError("x")) is None
