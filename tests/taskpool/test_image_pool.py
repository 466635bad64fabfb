"""What all task pools of images do alike, with classifiers: actors, processes, compiling, corruptions."""

import numpy as np
import pytest
import torch
from PIL import Image
from process_pairs import in_two_processes
from torch import nn

from fusion_bench.dataset.corruptions.registry import corrupt, generator_of_image
from fusion_bench.models.mlp import MLP
from fusion_bench.models.task_models import TaskModels
from fusion_bench.taskpool import ImageClassificationTaskPool
from fusion_bench.taskpool.group import dismiss

LABELS = {"first": [0, 1, 0, 1, 1, 0, 1], "second": [2, 0, 1]}
NAMES = {"first": ["a", "b"], "second": ["c", "d", "e"]}


def grey(image: Image.Image) -> torch.Tensor:
    return torch.from_numpy(np.asarray(image.convert("L")).copy()).float().flatten() / 255


def pictures(task: str) -> list[dict]:
    generator = np.random.default_rng(sum(map(ord, task)))
    drawn = [Image.fromarray(generator.integers(0, 256, (8, 8, 3), dtype=np.uint8)) for _ in LABELS[task]]
    return [{"image": image, "label": label} for image, label in zip(drawn, LABELS[task], strict=True)]


def make_pool(change=lambda task: pictures(task), **options) -> ImageClassificationTaskPool:
    tasks = {task: {"dataset": change(task), "classnames": NAMES[task]} for task in NAMES}
    settings = {"processor": grey, "pixel_cache_gib": 0, "dataloader_kwargs": {"batch_size": 3}, **options}
    return ImageClassificationTaskPool(tasks, **settings)


def network(outputs: int, seed: int) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return MLP(64, [6], outputs).eval()


def by_task() -> TaskModels:
    return TaskModels.apart(list(NAMES), [network(2, 3), network(3, 4)])


def test_corrupted_pictures_are_those_corrupted_beforehand():
    def beforehand(task):
        return [
            {**row, "image": Image.fromarray(corrupt("contrast", np.asarray(row["image"]), 4, generator))}
            for row, generator in (
                (row, generator_of_image(3, "contrast", index)) for index, row in enumerate(pictures(task))
            )
        ]

    pool = make_pool(corruption="contrast", corruption_severity=4, corruption_seed=3)
    model = network(5, 1)
    found, expected = pool.evaluate(model), make_pool(beforehand).evaluate(model)
    assert found.joint.loss == pytest.approx(expected.joint.loss)
    assert found.joint.loss != pytest.approx(make_pool().evaluate(model).joint.loss)


def tensors(task):
    return [(grey(row["image"]), row["label"]) for row in pictures(task)]


def test_tensors_cannot_be_corrupted():
    with pytest.raises(TypeError, match="ready for the model cannot be corrupted"):
        make_pool(tensors, corruption="contrast").evaluate(network(5, 1))


@pytest.fixture
def eager_compile(monkeypatch):
    """``torch.compile`` without a compiler: counts what is compiled and the sizes of batches."""
    seen = {"compiled": 0, "batches": []}

    def compile(module, dynamic):
        seen["compiled"] += 1
        return lambda images: seen["batches"].append(len(images)) or module(images)

    monkeypatch.setattr(torch, "compile", compile)
    return seen


def test_compiled_networks_give_the_same_numbers(eager_compile):
    pool = make_pool(compile=True)
    for seed in (1, 2):
        model = network(5, seed)
        same_but_for_rounding(pool.evaluate(model), make_pool().evaluate(model))
    assert eager_compile["compiled"] == 1
    assert set(eager_compile["batches"]) == {3}  # the last batches were filled up


def test_the_network_of_each_task_is_compiled(eager_compile):
    found = make_pool(heads="task", compile=True).evaluate(by_task())
    same_but_for_rounding(found, make_pool(heads="task").evaluate(by_task()))
    assert eager_compile["compiled"] == 2


def same_but_for_rounding(found, expected):
    assert found.joint.accuracy == expected.joint.accuracy
    for one, other in [(found.joint, expected.joint), *((found.scores[task], expected.scores[task]) for task in NAMES)]:
        assert one.accuracy == other.accuracy
        assert one.loss == pytest.approx(other.loss, rel=1e-6)


def _score_in_two(rank, options):
    pool = make_pool(**options)
    if rank:
        return pool.follow()
    found = pool.evaluate_many({"a": network(5, 1), "b": network(5, 2)})
    ensemble = pool.evaluate_ensemble({"first": network(5, 1), "second": network(5, 2)})
    with pytest.raises(ValueError, match="4 outputs, but the tasks of the pool take 5"):
        pool.evaluate(network(4, 1))
    one = pool.evaluate(network(5, 1), tasks=["second"])  # one batch, so one of the two has nothing to do
    dismiss()
    return found, ensemble, one


def test_two_processes_give_the_numbers_of_one():
    (found, ensemble, one), _ = in_two_processes({}, _score_in_two)
    pool = make_pool()
    assert found["b"] == pool.evaluate(network(5, 2), "b")  # bit by bit, the joint score included
    assert found["b"].joint is not None
    assert ensemble == pool.evaluate_ensemble({"first": network(5, 1), "second": network(5, 2)})
    assert one == pool.evaluate(network(5, 1), tasks=["second"])


@pytest.mark.slow
def test_actors_give_the_numbers_of_one_process():
    ray = pytest.importorskip("ray")
    try:
        spread = make_pool(tensors, processor=None, num_ray_actors=2)  # actors do not see this file
        for seed in (1, 2):
            same_but_for_rounding(spread.evaluate(network(5, seed)), make_pool().evaluate(network(5, seed)))
        members = {"first": network(5, 1), "second": network(5, 2)}
        same_but_for_rounding(spread.evaluate_ensemble(members), make_pool().evaluate_ensemble(members))
    finally:
        ray.shutdown()
