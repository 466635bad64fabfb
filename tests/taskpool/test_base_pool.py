"""What every task pool promises: named tasks, and a model given back as it came."""

import pytest
import torch
from torch import nn

from fusion_bench.report import EvalReport, ModelInfo, TaskScore
from fusion_bench.taskpool.base_pool import BaseTaskPool, device_of, lent_for_evaluation, model_info
from fusion_bench.taskpool.dummy import DummyTaskPool


class ModePool(BaseTaskPool):
    """Notes how it is called."""

    _config_mapping = {"tasks": "tasks"}  # noqa: RUF012 (as users write it)

    def __init__(self, tasks=("cars", "dtd", "mnist")):
        self.tasks = list(tasks)
        self.seen = []

    @property
    def task_names(self):
        return list(self.tasks)

    def evaluate_task(self, model, task):
        self.seen.append((task, model.training, torch.is_inference_mode_enabled(), self.is_fast_dev_run))
        if task == "dtd" and getattr(model, "broken", False):
            raise RuntimeError("broken model")
        return TaskScore(0.5, 1.0)


@pytest.fixture
def model():
    model = nn.Sequential(nn.Linear(2, 3), nn.Dropout(), nn.Linear(3, 1)).train()
    model[1].eval()
    model[2].requires_grad_(False)
    return model


def modes(model):
    return [module.training for module in model.modules()]


def test_scores_every_task_in_eval_and_inference_mode(model):
    pool = ModePool()
    report = pool.evaluate(model, "merged")
    assert isinstance(report, EvalReport)
    assert list(report) == ["model_info", "cars", "dtd", "mnist", "average"]
    assert report["average"]["accuracy"] == 0.5
    assert report["model_info"] == {
        "trainable_params": 9,
        "all_params": 13,
        "trainable_percentage": 9 / 13,
        "name": "merged",
    }
    assert pool.seen == [(task, False, True, False) for task in ("cars", "dtd", "mnist")]
    assert modes(model) == [True, True, False, True]


def test_a_subset_leaves_the_pool_as_it_was(model):
    pool = ModePool()
    report = pool.evaluate(model, tasks=("mnist", "cars", "mnist"))
    assert list(report.scores) == ["mnist", "cars"]
    assert [task for task, *_ in pool.seen] == ["mnist", "cars"]
    assert pool.task_names == ["cars", "dtd", "mnist"]
    assert list(pool.evaluate(model, tasks=[])) == ["model_info"]


def test_an_unknown_task_names_the_nearest_before_anything_is_scored(model):
    pool = ModePool()
    with pytest.raises(KeyError, match=r"no task 'mnst' in this pool; it has \['cars', .*did you mean 'mnist'"):
        pool.evaluate(model, tasks=["cars", "mnst"])
    assert pool.seen == []
    with pytest.raises(TypeError, match="tasks must be a list of names, got the string 'mnist'"):
        pool.evaluate(model, tasks="mnist")
    with pytest.raises(TypeError, match="a task pool scores torch modules, got a dict"):
        pool.evaluate({})


def test_the_model_is_put_back_when_scoring_fails(model):
    model.broken = True
    with pytest.raises(RuntimeError, match="broken model"):
        ModePool().evaluate(model)
    assert modes(model) == [True, True, False, True]


def test_the_model_moves_to_the_device_and_back(monkeypatch):
    model = nn.Linear(2, 2)
    moves = []
    monkeypatch.setattr(nn.Module, "to", lambda self, device: moves.append(str(device)))
    with lent_for_evaluation(model, torch.device("meta")):
        assert moves == ["meta"]
    assert moves == ["meta", "cpu"]
    for device in (None, torch.device("cpu")):
        with lent_for_evaluation(model, device):
            assert moves == ["meta", "cpu"]
    assert device_of(nn.Identity()).type == "cpu"


def test_setup_keeps_what_is_not_given(model):
    pool = ModePool(["cars"])
    pool.setup(fast_dev_run=True)
    pool.setup(device=torch.device("cpu"))
    pool.evaluate(model)
    assert pool.seen == [("cars", False, True, True)]


def test_the_pools_own_fast_dev_run_wins(model):
    pool = ModePool(["cars"])
    pool._fast_dev_run = False
    pool.setup(fast_dev_run=True)
    assert not pool.is_fast_dev_run


def test_the_dummy_pool_reports_the_size_only(model):
    pool = DummyTaskPool()
    pool.setup(device=torch.device("cpu"), fast_dev_run=True)
    assert pool.evaluate(model) == EvalReport(ModelInfo(9, 13))
    assert pool.task_names == []
    assert pool.config == {"_target_": "fusion_bench.taskpool.dummy.DummyTaskPool"}
    with pytest.raises(KeyError, match="no task 'mnist'"):
        pool.evaluate(model, tasks=["mnist"])
    with pytest.raises(KeyError):
        pool.evaluate_task(model, "mnist")


def test_model_info_without_parameters():
    assert model_info(nn.Identity()) == ModelInfo(0, 0)


def test_a_true_precision_is_that_of_a_copy(model):
    class DtypePool(ModePool):
        def evaluate_task(self, model, task):
            self.seen.append(next(model.parameters()).dtype)
            return TaskScore(0.5, 1.0)

    pool = DtypePool(["cars"])
    pool.setup(dtype=torch.bfloat16)
    pool.evaluate(model)
    assert pool.seen == [torch.bfloat16]
    assert all(parameter.dtype is torch.float32 for parameter in model.parameters())
