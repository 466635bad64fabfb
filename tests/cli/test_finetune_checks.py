"""Mistakes in the command line of a fine-tuning run: one message each, before anything heavy is imported."""

import pytest
from omegaconf import OmegaConf

from fusion_bench.cli.finetune_checks import check_fine_tuning

POOLS = {
    "modelpool/mine.yaml": "_target_: fusion_bench.modelpool.CLIPVisionModelPool\n"
    "models: {_pretrained_: a, sun397: b}\ntrain_datasets: {mnist: x, cars: y}\n",
    "modelpool/bare.yaml": "_target_: fusion_bench.modelpool.CLIPVisionModelPool\n"
    "models: {}\nbase_model: a\ntrain_datasets: null\n",
    "taskpool/mine.yaml": "_target_: fusion_bench.taskpool.CLIPVisionModelTaskPool\n"
    "test_datasets: {mnist: x, cars: y, svhn: z}\ntasks: null\n",
}
CASES = {
    "no model pool": (["modelpool=null"], ["modelpool=null names no option"]),
    "no task": ([], ["choose the task to fine-tune on with task=NAME; tasks: mnist, cars, svhn"]),
    "misspelt task": (["task=mnits"], ["task: no 'mnits'", "did you mean 'mnist'?"]),
    "task of no training data": (
        ["task=svhn"],
        ["task: no 'svhn'; the train_datasets of the model pool are: mnist, c"],
    ),
    "task that is not selected": (["task=mnist", "taskpool.tasks=[cars]"], ["task: no 'mnist'", "cars"]),
    "no training data": (["task=mnist", "modelpool=bare"], ["has no train_datasets", "train_datasets={mnist: HUB_ID"]),
    "misspelt model": (["task=mnist", "start=sun379"], ["start: no 'sun379'", "'sun397'"]),
    "misspelt key": (
        ["task=mnist", "method.stepz=3"],
        ["no key 'method.stepz' with method=finetune/clip_vision", "steps"],
    ),
    "misspelt option": (["taskpool=mihne"], ["no option 'mihne' in the group 'taskpool'", "'mine'"]),
    "misspelt group": (["tsk=mnist"], ["no key 'tsk'", "'task'"]),
    "merging method": (["task=mnist", "method=opcm/opcm"], ["needs a method that trains: method=finetune/clip_vision"]),
    "text for a number": (["task=mnist", "method.learning_rate=low"], ["method.learning_rate must be a number"]),
    "sweep without -m": (["task=mnist,cars"], ["task=mnist,cars has several values", "add -m"]),
}


@pytest.fixture
def pools(config_dir):
    for name, text in POOLS.items():
        (config_dir / name).write_text(text, encoding="utf-8")


@pytest.mark.usefixtures("pools")
@pytest.mark.parametrize("case", CASES)
def test_message(case, error_of):
    arguments, expected = CASES[case]
    message = error_of("--config-name=fabric_finetune", "modelpool=mine", "taskpool=mine", *arguments)
    assert [part for part in expected if part not in message] == []
    assert "\n" not in message


@pytest.mark.usefixtures("pools")
def test_pools_are_required(error_of):
    message = error_of("--config-name=fabric_finetune", "task=mnist")
    assert "choose the model to start from with modelpool=OPTION" in message
    message = error_of("--config-name=fabric_finetune", "modelpool=mine", "task=mnist")
    assert "choose the tasks with taskpool=OPTION" in message


def test_the_published_hyper_parameters():
    from fusion_bench.cli.request import Request

    request = ["path.log_dir=x", "task=mnist"]
    config = Request(config_name="clip_finetune").compose(request)
    general = Request(config_name="fabric_finetune").compose(request)
    expected = {"steps": 4000, "batch_size": 32, "learning_rate": 1e-5, "schedule": "constant", "warm_up": None}
    expected |= {"weight_decay": 0.0, "gradient_clip": None}
    assert {key: config.method[key] for key in expected} == expected
    assert {key: value for key, value in config.method.items() if key not in expected} == {
        key: value for key, value in general.method.items() if key not in expected
    }
    pools = ("method", "modelpool", "taskpool")
    assert {key: config[key] for key in config if key not in pools} == {
        key: general[key] for key in general if key not in pools
    }
    check_fine_tuning(OmegaConf.to_container(config))


@pytest.mark.usefixtures("pools")
def test_a_training_method_does_not_merge(error_of):
    message = error_of("modelpool=mine", "method=finetune/clip_vision")
    assert message == "error: this method fine-tunes one model, it merges none: add --config-name fabric_finetune"


def test_a_base_model_is_where_training_starts():
    plain = {
        "_target_": "fusion_bench.programs.FineTuneProgram",
        "method": {"_target_": "fusion_bench.method.finetune.clip_vision.FineTuneClipVision"},
        "modelpool": {"models": {}, "base_model": "a", "train_datasets": {"mnist": 1}},
        "taskpool": {"test_datasets": {"mnist": 1}},
        "task": "mnist",
        "start": "_pretrained_",
    }
    check_fine_tuning(plain)


def test_the_fields_of_the_program_are_the_keys_of_its_configuration():
    import dataclasses

    from fusion_bench.cli.request import Request
    from fusion_bench.programs.finetune import FineTuneProgram

    config = Request(config_name="fabric_finetune").compose(["path.log_dir=x"])
    fields = {field.name: field.default for field in dataclasses.fields(FineTuneProgram)}
    assert set(fields) | {"_target_", "_recursive_"} == set(config)
    for key in set(fields) - {"method", "modelpool", "taskpool", "task", "fabric", "path"}:
        assert config[key] == fields[key], key
