"""A form is checked by composing it: what is wrong is said in the words of the command line, at its field."""

import shlex
import sys
from pathlib import Path

import pytest

from fusion_bench.webui.check import Checker, Form, blamed
from fusion_bench.webui.options import OptionTree

LOG_DIR = Path("out/run")
OPCM = {"method": "opcm/opcm"}


@pytest.fixture(scope="module")
def checker():
    return Checker(OptionTree())


@pytest.fixture(scope="module")
def check(checker):
    trees = {}

    def checked(values=None, choices=OPCM):
        name = tuple(choices.items())
        if name not in trees:
            trees[name] = checker.tree(choices)
        return checker.check(Form(dict(choices), dict(values or {})), trees[name], LOG_DIR)

    return checked


def test_only_what_differs_from_the_defaults_is_in_the_command(check):
    checked = check({"method.alpha": "0.3", "seed": ""})
    assert checked.problem is None
    assert checked.arguments == ("method=opcm/opcm", "method.alpha=0.3", "path.log_dir=out/run")
    assert checked.command == "fusion_bench method=opcm/opcm method.alpha=0.3 path.log_dir=out/run"


def test_the_command_can_be_typed_into_a_shell(check):
    checked = check({"merged_model_save_path": "a b; $(touch x) 'c'"})
    assert checked.problem is None
    assert tuple(shlex.split(checked.command)) == ("fusion_bench", *checked.arguments)


def test_values_of_options_that_are_not_there_any_more_are_left_out(check):
    assert check({"method.alpha": "0.3"}, {"method": "simple_average"}).arguments[:1] == ("method=simple_average",)
    assert not any("alpha" in item for item in check({"method.alpha": "0.3"}, {"method": "simple_average"}).arguments)


@pytest.mark.parametrize(
    ("key", "typed", "message"),
    [
        ("method.alpha", "much", "method.alpha must be a number, got 'much'"),
        ("method.shuffle_order", "maybe", "method.shuffle_order must be true or false, got 'maybe'"),
        ("seed", "0.5", "seed must be an integer or null, got 0.5"),
        ("method.order", "[mnist, x]", "method.order: no 'x'; models of the pool: emoji, style, clipart, letters, "),
        ("taskpool.tasks", "[minst]", "taskpool.tasks: no 'minst'; did you mean 'mnist'?"),
        ("orders", "3", "orders must be a list of orders, each of them a list of model names: "),
        ("method.order", "[mnist", "cannot read the value in 'method.order=[mnist'"),
        ("taskpool.base_model", "${path.data_dri}", "no key 'path.data_dri' for ${path.data_dri}"),
    ],
)
def test_a_wrong_value_is_reported_at_its_field(check, key, typed, message):
    problem = check({key: typed, "fast_dev_run": "true"}).problem
    assert problem.key == key
    assert problem.message.startswith(message)


@pytest.mark.parametrize(("key", "typed"), [("method.alpha", "much"), ("taskpool.tasks", "[minst]"), ("seed", "x")])
def test_the_message_is_that_of_the_command_line(check, key, typed, monkeypatch, tmp_path):
    from fusion_bench.cli.main import main

    checked = check({key: typed})
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["fusion_bench", *checked.arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == f"error: {checked.problem.message}"


def test_a_choice_that_cannot_run_is_reported_at_its_field(check):
    problem = check(choices={"method": "finetune/clip_vision"}).problem
    assert (problem.key, "it merges none" in problem.message) == ("method", True)


@pytest.mark.parametrize(
    "typed",
    [
        "{_target_: os.system, command: ls}",
        "[{_target_: os.system}]",
        '${oc.create:"{_target_: os.system}"}',
        '${oc.decode:"{a: {_target_: os.system}}"}',
    ],
)
def test_nothing_that_is_typed_says_what_is_called(check, typed):
    problem = check({"individual_accuracy": typed}).problem
    assert problem.key == "individual_accuracy"
    assert problem.message.endswith(
        "what is called is chosen by a configuration file, not typed here; use --config-dir"
    )


def test_a_target_of_a_chosen_file_stays(check):
    assert check(choices={"method": "analysis/loss_barrier"}).problem is None


def test_configurations_of_the_user_are_named_in_the_command(tmp_path):
    (tmp_path / "method").mkdir()
    (tmp_path / "method" / "mine.yaml").write_text("_target_: mine.Mine\nshare: 0.5\n")
    checker = Checker(OptionTree(str(tmp_path)))
    checked = checker.check(Form({"method": "mine"}, {"method.share": "1"}), checker.tree({"method": "mine"}), LOG_DIR)
    assert checked.problem is None
    assert checked.arguments[:4] == ("--config-dir", str(tmp_path), "method=mine", "method.share=1")


@pytest.mark.parametrize(
    ("message", "key"),
    [
        ("method: alpha must be in [0, 1], got 2", "method.alpha"),
        ("method.alpha must be a number", "method.alpha"),
        ("seeds are wrong", None),
        ("seed must be an integer", "seed"),
        ("seed must be 1; a single order is method.order=[a,b], its seed method.seed", "seed"),
        ("the disk is full", None),
    ],
)
def test_the_key_a_message_is_about(message, key):
    assert blamed(message, ["method", "seed", "method.alpha", "method.al"]) == key
