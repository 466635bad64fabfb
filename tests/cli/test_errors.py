"""Mistakes on the command line: one message that names them and the nearest valid names."""

import pytest
from cli_toys import VALID

CASES = {
    "key": (["method=toys/toy", "method.alhpa=0.3"], ["no key 'method.alhpa' with method=toys/toy", "'method.alpha'"]),
    "key at the top": (["sed=1"], ["no key 'sed'", "did you mean 'seed'?"]),
    "key in the wrong place": (["method.resume=true"], ["no key 'method.resume'", "did you mean 'resume'?"]),
    "key of another option": (
        ["method=dummy", "method.zero_diagonal=true"],
        ["no key 'method.zero_diagonal' with method=dummy", "method=opcm/opcm"],
    ),
    "key nobody knows": (["qqqq=1"], ["no key 'qqqq'", "there are: _target_, _recursive_, seed"]),
    "deleted key": (["~fabric.devces"], ["no key 'fabric.devces'", "'fabric.devices'"]),
    "option": (["method=toys/tyo"], ["no option 'toys/tyo' in the group 'method'", "'toys/toy'"]),
    "option of a task pool": (["taskpool=toys/tow"], ["no option 'toys/tow'", "did you mean 'toys/two'?"]),
    "option without its folder": (["method=tooy"], ["no option 'tooy'", "'toys/toy'"]),
    "folder as option": (["method=toys"], ["method=toys is a folder of options", "toys/toy"]),
    "option of a nested group": (["fabric/loggers=csv_loger"], ["no option 'csv_loger'", "'csv_logger'"]),
    "option of a nested group in a sweep": (["-m", "fabric/loggers=none,csv_loger"], ["no option 'csv_loger'"]),
    "group": (["methd=toys/toy"], ["no key 'methd'", "did you mean 'method'?"]),
    "nested group": (["fabric/logers=none"], ["no group 'fabric/logers'", "'fabric/loggers'"]),
    "brackets": (["method.order=[a,b"], ["cannot read the value in 'method.order=[a,b'", "quote"]),
    "no value": (["method"], ["cannot read the argument 'method'", "write key=value"]),
    "sweep without -m": (["seed=1,2"], ["seed=1,2 has several values", "add -m", "seed=[1,2]"]),
    "range without -m": (["seed=range(3)"], ["seed=range(3) is a sweep", "add -m"]),
    "type in hydra's own part": (["hydra.job.chdir=maybe"], ["cannot set hydra.job.chdir=maybe", "not a valid bool"]),
    "interpolation": (
        ["path.output_dir=${path.rot_dir}", "modelpool=toys/two"],
        ["no key 'path.rot_dir'", "'path.root_dir'"],
    ),
    "flag": (["--multrun"], ["no flag '--multrun'", "'--multirun'"]),
    "name of the configuration": (["--config-name=fabric_model_fuson"], ["--config-name", "'fabric_model_fusion'"]),
    "missing model pool": (
        ["~modelpool"],
        ["choose the models to merge with modelpool=OPTION", "CLIPVisionModelPool/", "in all)"],
    ),
    "null for the model pool": (
        ["modelpool=null"],
        ["modelpool=null names no option", "CLIPVisionModelPool/", "in all)"],
    ),
    "null for an option": (["taskpool=null"], ["taskpool=null names no option", "write ~taskpool"]),
    "missing method": (["~method", "modelpool=toys/two"], ["choose a merging method with method=OPTION", "dummy"]),
    "model in order": ([*VALID, "method.order=[sun397,carz]"], ["method.order: no 'carz'", "did you mean 'cars'?"]),
    "task in tasks": ([*VALID, "taskpool.tasks=[sun379]"], ["taskpool.tasks: no 'sun379'", "'sun397'"]),
    "text for a number": ([*VALID, "method.alpha=high"], ["method.alpha must be a number, got 'high'"]),
    "text for a truth value": ([*VALID, "fast_dev_run=yess"], ["fast_dev_run must be true or false, got 'yess'"]),
    "sweep with a wrong key": (["-m", "method.alhpa=1,2", *VALID], ["no key 'method.alhpa'", "'method.alpha'"]),
    "sweep with a wrong option": (["-m", "method=toys/toy,toys/tyo"], ["no option 'toys/tyo'", "'toys/toy'"]),
}


@pytest.mark.parametrize("case", CASES)
def test_message(case, error_of, capsys):
    arguments, expected = CASES[case]
    message = error_of(*arguments)
    assert message.startswith("error: ")
    assert [part for part in expected if part not in message] == []
    assert "\n" not in message
    assert capsys.readouterr().err == ""  # no boilerplate besides the message


def test_file_that_names_a_missing_file_is_the_one_to_blame(error_of, config_dir):
    file = config_dir / "method" / "toys" / "broken.yaml"
    file.write_text("defaults: [/method/toys/tooy@_here_, _self_]\n", encoding="utf-8")
    message = error_of("method=toys/broken")
    assert message.startswith("error: method/toys/broken.yaml names 'method/toys/tooy', which does not exist")
    assert "did you mean 'method/toys/toy'" in message


def test_full_error_gives_the_traceback(command, monkeypatch):
    from hydra.errors import ConfigCompositionException

    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    with pytest.raises(ConfigCompositionException, match=r"method\.alhpa"):
        command("method.alhpa=1")


@pytest.mark.parametrize("argument", ["--config-dir=/no/such/dir", "hydra.searchpath=[file:///no/such/dir]"])
def test_missing_config_dir_is_named(argument, error_of):
    assert error_of(argument) == "error: no configuration directory /no/such/dir"
