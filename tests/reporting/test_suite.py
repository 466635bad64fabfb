"""Names of suites and backbones."""

import pytest
from run_dirs import run_config
from suite_table import SUITES, TASKS

from fusion_bench.cli.request import Request
from fusion_bench.reporting.suite import backbone_of, suite_of


def composed(*overrides):
    from omegaconf import OmegaConf

    config = Request.from_argv(overrides).compose()
    return OmegaConf.to_container(
        OmegaConf.create({key: config[key] for key in ("modelpool", "taskpool", "path", "fast_dev_run")}), resolve=False
    )


@pytest.mark.parametrize(("name", "count"), SUITES.items())
def test_published_suites_are_known_by_their_tasks(name, count):
    config = composed(f"taskpool=CLIPVisionModelTaskPool/clip-vit-classification_{name}_L14")
    suite = suite_of(config, reversed(TASKS[:count]), {})
    assert (suite.name, suite.tasks) == (name, tuple(TASKS[:count]))
    assert suite_of(config, TASKS[: count - 1], {}).name != name


def test_validation_images_are_not_the_published_suite():
    config = composed("taskpool=CLIPVisionModelTaskPool/clip-vit-classification_TA8_val")
    assert suite_of(config, TASKS[:8], {}).name == "TA8, not its test data"


def test_the_shipped_suite():
    tasks = list(composed()["taskpool"]["test_datasets"])
    assert suite_of(composed(), tasks, {}).name == "tiny8"
    assert suite_of(composed(), tasks[:2], {}).name == f"tiny8: {tasks[0]}, {tasks[1]}"
    validation = composed("taskpool=CLIPVisionModelTaskPool/clip-vit-classification_tiny8_val")
    assert suite_of(validation, tasks, {}).name == "tiny8 (validation)"


def test_models_are_those_that_were_loaded():
    config = run_config("ab")
    known = {"models": {name: {"sha256": name} for name in ("_pretrained_", "a", "b")}}
    only_pretrained = {"models": {"_pretrained_": {"sha256": "x"}}}
    assert suite_of(config, "ab", known).models is not None
    assert suite_of(config, "ab", only_pretrained).models is None
    assert suite_of(config, "ab", {}).models == suite_of(config, "ba", {}).models


@pytest.mark.parametrize("tasks", [[], ["x"], TASKS[:3]])
def test_configurations_of_other_shapes(tasks):
    for config in ({}, {"taskpool": None, "modelpool": None}, {"taskpool": {"test_datasets": ["a"]}, "modelpool": "x"}):
        assert suite_of(config, tasks, {}).tasks == tuple(sorted(tasks))
        assert backbone_of(config, {}).name == ""
    strings = {"taskpool": {"test_datasets": {task: f"my/{task}.yaml" for task in tasks}}}
    assert suite_of(strings, tasks, {}).data != suite_of({}, tasks, {}).data or not tasks


def test_backbones():
    config = run_config("ab", backbone="/models/clip-vit-base-patch32/")
    assert backbone_of(config, {}).name == "clip-vit-base-patch32"
    hashed = backbone_of(config, {"task_pool": {"clip_model": {"sha256": "abc"}}})
    assert (hashed.name, hashed.model) == ("clip-vit-base-patch32", "abc")
    assert backbone_of({"modelpool": {"models": {"_pretrained_": "x/y"}}}, {}).name == "y"
