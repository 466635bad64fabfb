"""Accuracy by task, among the classes of all tasks, and of an ensemble, against counts made by hand."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn.functional import cross_entropy, normalize

from fusion_bench.models.task_models import TaskModels
from fusion_bench.report import EvalReport
from fusion_bench.taskpool import ImageClassificationTaskPool

# Six images with five numbers each, which a network of weights reads; labels counted in the classes of both tasks.
INPUTS = torch.randn(12, 5, generator=torch.Generator().manual_seed(0))
LABELS = {"first": [0, 1, 0, 1, 1, 0], "second": [2, 0, 1, 1, 2, 0]}
NAMES = {"first": ["a", "b"], "second": ["c", "d", "e"]}


def rows(task: str) -> list[tuple[torch.Tensor, int]]:
    start = 0 if task == "first" else 6
    return [(INPUTS[start + number], label) for number, label in enumerate(LABELS[task])]


def make_pool(**options) -> ImageClassificationTaskPool:
    tasks = {task: {"dataset": rows(task), "classnames": NAMES[task]} for task in NAMES}
    return ImageClassificationTaskPool(tasks, pixel_cache_gib=0, dataloader_kwargs={"batch_size": 4}, **options)


def network(outputs: int, seed: int = 1) -> nn.Module:
    model = nn.Linear(5, outputs)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(seed)))
    return model


def expected(logits: torch.Tensor) -> tuple[float, float, float]:
    """Accuracy by task and jointly, from logits of all images for all classes."""
    first, second = (torch.tensor(LABELS[task]) for task in NAMES)
    own = float((logits[:6, :2].argmax(1) == first).float().mean())
    other = float((logits[6:, 2:].argmax(1) == second).float().mean())
    joint = float((logits.argmax(1) == torch.cat([first, second + 2])).float().mean())
    return own, other, joint


def found(report: EvalReport) -> tuple[float, float, float]:
    return report.scores["first"].accuracy, report.scores["second"].accuracy, report.joint.accuracy


def test_a_shared_head():
    model = network(5)
    report = make_pool().evaluate(model)
    logits = model(INPUTS).detach()
    assert found(report) == pytest.approx(expected(logits))
    labels = torch.tensor(LABELS["first"] + [2 + label for label in LABELS["second"]])
    assert report.joint.loss == pytest.approx(float(cross_entropy(logits, labels)), rel=1e-5)
    assert report.scores["second"].loss == pytest.approx(float(cross_entropy(logits[6:, 2:], labels[6:] - 2)), rel=1e-5)
    assert report.joint.accuracy <= max(report.scores["first"].accuracy, report.scores["second"].accuracy)


def test_outputs_in_another_order():
    outputs = {"first": [4, 6], "second": [0, 5, 1]}
    model = network(7)
    report = make_pool(outputs=outputs).evaluate(model)
    assert found(report) == pytest.approx(expected(model(INPUTS).detach()[:, [4, 6, 0, 5, 1]]))


def test_a_head_for_each_task():
    models = [network(2, 3), network(3, 4)]
    merged = TaskModels(["first", "second"], models, ["weight", "bias"])
    report = make_pool(heads="task").evaluate(merged)
    assert found(report) == pytest.approx(expected(torch.cat([model(INPUTS) for model in models], dim=1).detach()))
    alone = make_pool(heads="task").evaluate(models[1], tasks=["second"])
    assert alone.joint is None
    assert alone.scores["second"] == report.scores["second"]


def test_an_ensemble_compares_probabilities_within_each_task():
    models = {"second": network(5, 4), "first": network(5, 3)}
    report = make_pool().evaluate_ensemble(models)
    first, second = models["first"](INPUTS)[:, :2], models["second"](INPUTS)[:, 2:]
    probabilities = torch.cat([first.softmax(1), second.softmax(1)], dim=1).detach()
    assert found(report) == pytest.approx(expected(probabilities))
    labels = torch.tensor(LABELS["first"] + [2 + label for label in LABELS["second"]])
    chosen = probabilities[range(12), labels] / 2  # two distributions side by side
    assert report.joint.loss == pytest.approx(float(-chosen.log().mean()), rel=1e-5)
    assert report.model_info.name == "ensemble"
    assert report.model_info.all_params == 60


def test_the_rule_of_the_ensemble_for_any_model():
    merged = TaskModels(["first", "second"], [network(2, 3), network(3, 4)], ["weight", "bias"])
    probabilities = torch.cat([model(INPUTS).softmax(1) for model in merged.models], dim=1).detach()
    assert found(make_pool(heads="task", joint="probabilities").evaluate(merged)) == pytest.approx(
        expected(probabilities)
    )


def test_some_tasks_are_compared_among_themselves():
    model = network(5)
    report = make_pool().evaluate(model, tasks=["second"])
    assert report.joint is None
    assert report.scores["second"].accuracy == pytest.approx(expected(model(INPUTS).detach())[1])


def test_text_features(tiny_clip_dir):
    pool = make_pool(heads="text", base_model=str(tiny_clip_dir), logit_scale=7.0)
    head = torch.cat([pool.class_vectors(task) for task in NAMES])
    model = network(head.shape[1])
    report = pool.evaluate(model)
    logits = 7 * normalize(model(INPUTS).detach(), dim=1) @ head.T
    assert found(report) == pytest.approx(expected(logits))
    first = float(cross_entropy(logits[:6, :2], torch.tensor(LABELS["first"])))
    assert report.scores["first"].loss == pytest.approx(first, rel=1e-4)


def test_tasks_that_share_a_data_set_and_pictures(tmp_path):
    pictures = [(Image.new("RGB", (4, 4), (label, 0, 0)), label) for label in (3, 0, 2, 1, 3)]

    def red(image: Image.Image) -> torch.Tensor:
        return nn.functional.one_hot(torch.tensor(int(np.asarray(image)[0, 0, 0])), 4).float()

    tasks = {
        name: {"dataset": pictures, "classnames": list("abcd"), "classes": classes}
        for name, classes in {"x": ["d", "a"], "y": [1, 2]}.items()
    }
    outputs = {"x": [3, 0], "y": [1, 2]}
    report = ImageClassificationTaskPool(tasks, processor=red, outputs=outputs, pixel_cache_gib=0).evaluate(
        nn.Identity()
    )
    assert [score.accuracy for score in report.scores.values()] == [1, 1]
    assert report.joint.accuracy == 1
    swapped = ImageClassificationTaskPool(
        tasks, processor=red, outputs={"x": [0, 3], "y": [1, 2]}, pixel_cache_gib=0
    ).evaluate(nn.Identity())
    assert [score.accuracy for score in swapped.scores.values()] == [0, 1]
    assert swapped.joint.accuracy == pytest.approx(2 / 5)


def test_a_classifier_of_transformers():
    from transformers import ViTConfig, ViTForImageClassification

    model = ViTForImageClassification(
        ViTConfig(
            hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8, image_size=4, patch_size=2
        )
    ).eval()
    images = torch.randn(3, 3, 4, 4)
    labels = model(images).logits.argmax(1)
    task = {
        "dataset": [(image, int(label)) for image, label in zip(images, labels, strict=True)],
        "classnames": ["a", "b"],
    }
    pool = ImageClassificationTaskPool({"x": task}, pixel_cache_gib=0)
    assert pool.evaluate(model).scores["x"].accuracy == 1


def test_the_report_goes_to_json_and_back():
    report = make_pool().evaluate(network(5))
    entries = report.to_dict()
    assert entries["joint"] == {"accuracy": report.joint.accuracy, "loss": report.joint.loss}
    assert EvalReport.from_dict(entries) == report
    assert report.select(["first"]).joint is None


class TestErrors:
    def test_too_few_outputs(self):
        with pytest.raises(ValueError, match="4 outputs, but the tasks of the pool take 5; say which outputs"):
            make_pool().evaluate(network(4))

    def test_too_many_outputs_for_one_task(self):
        with pytest.raises(ValueError, match="'first' has 2 classes, but its network has 5 outputs"):
            make_pool(heads="task").evaluate(network(5))

    def test_a_task_without_a_network(self):
        with pytest.raises(KeyError, match="no task 'second'"):
            make_pool(heads="task").evaluate(TaskModels(["first"], [network(2)], []))

    def test_outputs_that_do_not_fit_the_classes(self):
        with pytest.raises(ValueError, match="'first' has 2 classes, but outputs names 1"):
            make_pool(outputs={"first": [0], "second": [1, 2, 3]}).evaluate(network(5))

    def test_no_processor_for_pictures(self):
        task = {"dataset": [(Image.new("RGB", (2, 2)), 0)], "classnames": ["a"]}
        with pytest.raises(ValueError, match="give the task pool a processor"):
            ImageClassificationTaskPool({"x": task}, pixel_cache_gib=0).evaluate(nn.Flatten())

    @pytest.mark.parametrize(
        ("options", "error", "message"),
        [
            ({"heads": "own"}, ValueError, "heads must be one of shared, task, text; got 'own'"),
            ({"joint": "max"}, ValueError, "joint must be one of logits, probabilities"),
            ({"heads": "text"}, ValueError, "heads=text needs base_model"),
            ({"outputs": {"first": [0, 1]}}, KeyError, "not the task 'second'"),
            ({"tasks": ["third"]}, KeyError, "tasks names 'third'"),
        ],
    )
    def test_options(self, options, error, message):
        with pytest.raises(error, match=message):
            make_pool(**options)

    def test_a_member_of_an_ensemble_without_a_task(self):
        with pytest.raises(KeyError, match="no task 'third'"):
            make_pool().evaluate_ensemble({"third": network(5)})


@pytest.mark.parametrize("classes", [["a", "a"], [], "a", ["x"], [7]])
def test_classes_that_cannot_be_are_refused_before_anything_is_loaded(classes):
    task = {"dataset": "nowhere", "classnames": ["a", "b"], "classes": classes}
    with pytest.raises(ValueError, match=r"classes|class names"):
        ImageClassificationTaskPool({"x": task})
