"""Every model on its own task."""

import pytest
from helpers import HashTaskPool, make_models, same_tensors

from fusion_bench.method.analysis import IndividualModels
from fusion_bench.programs.merge import merge_and_evaluate


def test_each_model_is_scored_on_its_own_task_and_no_other():
    models, taskpool = make_models(), HashTaskPool()
    report = merge_and_evaluate(IndividualModels(), models, taskpool).report
    assert taskpool.calls == [("a",), ("b",), ("c",), ("d",)]
    for name in "abcd":
        assert report.scores[name] == HashTaskPool().evaluate(models[name], tasks=[name]).scores[name]


def test_some_of_the_models_and_models_without_a_task():
    report = merge_and_evaluate(IndividualModels(models=["c", "a"]), make_models(), HashTaskPool()).report
    assert list(report.scores) == ["c", "a"]
    without = merge_and_evaluate(IndividualModels(), make_models(("_pretrained_", "a", "z")), HashTaskPool())
    assert list(without.report.scores) == ["a"]
    with pytest.raises(ValueError, match=r"no model has a task of its name: the models are \['y', 'z'\]"):
        merge_and_evaluate(IndividualModels(), make_models(("_pretrained_", "y", "z")), HashTaskPool())


def test_models_are_loaded_when_they_are_asked_for():
    models = make_models()
    own = IndividualModels().run(models)
    assert own.task_names == ("a", "b", "c", "d")
    assert same_tensors(own.load("b").state_dict(), models["b"].state_dict())
    assert own.load("b") is not models["b"]


def test_an_unknown_model_is_named():
    with pytest.raises(KeyError, match="nobody"):
        IndividualModels(models=["nobody"]).run(make_models())
