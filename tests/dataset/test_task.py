"""Class names and templates: shipped, given, or missing."""

import pytest
from clip_files import make_rows

from fusion_bench.dataset.registry import ClassNames, class_names, known_tasks
from fusion_bench.dataset.task import ClassificationTask, as_task


def test_every_shipped_file_is_usable():
    assert {"mnist", "digits", "tiny8/letters"} <= set(known_tasks())
    for task in known_tasks():
        names = class_names(task)
        assert len(set(names.classnames)) == len(names.classnames) > 1
        assert all(isinstance(text, str) and text.strip() for text in names.classnames + names.templates)
        assert all(template.count("{}") == 1 for template in names.templates)


def test_mnist_uses_the_prompt_published_with_clip():
    assert class_names("mnist") == ClassNames(tuple("0123456789"), ('a photo of the number: "{}".',))


def test_an_unknown_task_names_the_nearest_and_says_how_to_add_one():
    with pytest.raises(KeyError, match=r"'mnst'; did you mean 'mnist' or 'kmnist'\?.*'classnames'.*'templates'"):
        class_names("mnst")


def test_names_of_a_task():
    def resolve(**kwargs):
        return ClassificationTask(dataset="x", **kwargs).resolve_names("mnist")

    assert resolve() == class_names("mnist")
    assert resolve(templates=["the {}"]) == ClassNames(tuple("0123456789"), ("the {}",))
    assert resolve(classnames="tiny8/letters") == class_names("tiny8/letters")
    assert resolve(classnames=["a", "b"]) == ClassNames(("a", "b"), ("a photo of a {}.",))
    with pytest.raises(TypeError, match=r"must be strings, got True; quote it in YAML"):
        resolve(classnames=[True, "no"])
    with pytest.raises(TypeError, match="templates must be a list of prompts, got the string"):
        resolve(templates="the {}")


def test_entries_of_a_task_pool(tmp_path):
    assert as_task("mnist", "someone/mnist") == ClassificationTask(dataset="someone/mnist")
    assert as_task("mnist", {"path": "x", "split": "test"}).dataset == {"path": "x", "split": "test"}
    entry = {"dataset": {"path": "x"}, "classnames": ["a", "b"], "templates": ["{}"]}
    assert as_task("mine", entry) == ClassificationTask(**entry)
    target = {"_target_": "fusion_bench.dataset.task.ClassificationTask", "dataset": "x", "classnames": ["a"]}
    assert list(as_task("mine", target).classnames) == ["a"]
    task = ClassificationTask(dataset=[])
    assert as_task("mine", task) is task


@pytest.mark.parametrize("entry", [{"dataset": "x", "class_names": ["a"]}, {"path": "x", "image_colunm": "y"}])
def test_a_misspelt_key_is_an_error(entry):
    with pytest.raises(TypeError, match=r"task 'mine' has an unknown key '(class_names|image_colunm)'; allowed are"):
        as_task("mine", entry)


def test_labels_of_strings_go_through_the_class_names():
    rows = [{**row, "label": "ab"[row["label"]]} for row in make_rows(6, 2)]
    images = ClassificationTask(dataset=rows, classnames=["b", "a"]).load("mine")
    assert [label for _, label in images] == [1 - row["label"] for row in make_rows(6, 2)]


def test_a_label_outside_the_classes_is_an_error():
    images = ClassificationTask(dataset=[(make_rows(1, 1)[0]["image"], 2)], classnames=["a", "b"]).load("mine")
    with pytest.raises(ValueError, match=r"data set of task 'mine', row 0: the label 2 is outside 0\.\.1"):
        images[0]
