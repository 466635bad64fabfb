"""What a task pool gives to those who train: its classifier and images prepared in its way."""

import pytest
import torch
from clip_files import make_clip, make_rows

from fusion_bench.taskpool.clip_vision import CLIPVisionModelTaskPool


@pytest.fixture
def pool(tiny_clip_dir):
    return CLIPVisionModelTaskPool({"digits": {"dataset": make_rows(6, 10)}}, base_model=str(tiny_clip_dir))


def test_the_classifier_scores_as_the_pool_does(pool):
    tower = make_clip(1).vision_model
    images = pool.training_images("digits", make_rows(6, 10))
    encoded, labels = zip(*(images[index] for index in range(len(images))), strict=True)
    with torch.no_grad():
        logits = pool.classifier("digits", tower).logits(tower, images.transform.decode(torch.stack(encoded)))
    labels = torch.tensor(labels)
    score = pool.evaluate(tower)["digits"]
    assert score["accuracy"] == pytest.approx(float((logits.argmax(1) == labels).float().mean()))
    assert score["loss"] == pytest.approx(float(torch.nn.functional.cross_entropy(logits, labels)), rel=1e-5)


def test_the_classifier_is_frozen(pool):
    tower = make_clip(1).vision_model
    classifier = pool.classifier("digits", tower).to(torch.device("cpu"))
    assert not classifier.head.requires_grad
    assert not classifier.visual_projection.requires_grad
    assert not classifier.logit_scale.requires_grad
    pool.evaluate(tower)
    assert torch.equal(pool.classifier("digits", tower).head, classifier.head)


def test_names_and_backbones_are_checked(pool):
    with pytest.raises(KeyError, match="no task 'digit'"):
        pool.classifier("digit", make_clip().vision_model)
    with pytest.raises(ValueError, match="another backbone"):
        pool.classifier("digits", make_clip(hidden=16).vision_model)
    with pytest.raises(ValueError, match="have other class names than the task pool"):
        pool.training_images("digits", {"dataset": make_rows(2, 2), "classnames": ["a", "b"]})


def test_labels_are_counted_in_the_classes_of_the_task(pool):
    rows = make_rows(2, 3)
    rows[1]["label"] = 99
    with pytest.raises(ValueError, match=r"row 1: the label 99 is outside 0\.\.9, the classes of the task"):
        pool.training_images("digits", rows)[1]


def test_every_form_of_an_entry_is_taken(pool, tmp_path):
    for split in ("train", "test"):
        for label in ("0", "1"):
            folder = tmp_path / "images" / split / label
            folder.mkdir(parents=True)
            for number, row in enumerate(make_rows(2 if split == "train" else 1, 2)):
                row["image"].save(folder / f"{number}.png")
    directory = str(tmp_path / "images")
    forms = [directory, {"path": directory}, {"dataset": {"path": directory, "split": "train"}, "classnames": "digits"}]
    assert [len(pool.training_images("digits", form)) for form in forms] == [4, 4, 4]  # not those of the test split
    assert len(pool.training_images("digits", {"path": directory, "split": "test"})) == 2
