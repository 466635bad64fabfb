"""A data set of the user's, described in one YAML file."""

import pytest
import yaml
from clip_files import make_images

from fusion_bench.dataset.description import expand, split_of
from fusion_bench.dataset.registry import ClassNames
from fusion_bench.dataset.task import as_task, check_entry

BIRDS = {"classnames": ["no", "robin"], "templates": ["a photo of a {}, a bird."], "path": "someone/birds"}


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def call(name="birds.yaml", **changes):
        content = {key: value for key, value in {**BIRDS, **changes}.items() if value is not None}
        (tmp_path / name).write_text(yaml.safe_dump(content), encoding="utf-8")
        return name

    return call


def test_a_file_gives_names_prompts_and_data(write):
    task = as_task("birds", write(image_column="photo", label_column="kind", source="Somebody's notes."))
    assert task.resolve_names("birds") == ClassNames(("no", "robin"), ("a photo of a {}, a bird.",))
    assert task.dataset == {"path": "someone/birds", "image_column": "photo", "label_column": "kind"}
    check_entry("birds", "birds.yaml")


def test_keys_beside_the_file_win(write):
    write(splits={"test": "valid"}, image_column="photo")
    assert as_task("birds", {"path": "birds.yaml", "split": "test[:9]", "image_column": "picture"}).dataset == {
        "path": "someone/birds",
        "split": "test[:9]",
        "image_column": "picture",
    }
    assert as_task("birds", {"path": "birds.yaml", "templates": ["{}"]}).resolve_names("birds").templates == ("{}",)


def test_other_entries_stay_as_they_are():
    for entry in ("ylecun/mnist", {"path": "x"}, {"_target_": "x.y", "path": "birds.yaml"}, [], {"dataset": "x"}):
        assert expand("mnist", entry) is entry


def test_splits_of_other_names():
    data = {"path": "x", "splits": {"test": "valid"}}
    assert split_of(data, "test") == {"path": "x", "split": "valid"}
    assert split_of(data, "train") == {"path": "x", "split": "train"}
    assert split_of({"path": "x", "split": "all"}, "test") == {"path": "x", "split": "all"}


def test_images_beside_the_file_and_labels_by_name(write, tmp_path):
    for index, (label, image) in enumerate(zip(("robin", "no", "robin"), make_images(3), strict=True)):
        folder = tmp_path / "my" / "pictures" / "held_back" / label
        folder.mkdir(parents=True, exist_ok=True)
        image.save(folder / f"{index}.png")
    task = as_task("birds", write("my/birds.yaml", path="pictures", splits={"test": "held_back"}))
    assert [label for _, label in task.load("birds")] == [0, 1, 1]


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        (
            {"clasnames": ["a"]},
            TypeError,
            r"'birds', birds.yaml has an unknown key 'clasnames'; allowed are .*'classnames",
        ),
        (
            {"path": None},
            ValueError,
            r"birds.yaml has no 'path', the directory or Hub id of the images; it has classnames",
        ),
        ({"splits": {"tset": "x"}}, ValueError, r"splits must map train, validation, test .*, got {'tset': 'x'}"),
        ({"splits": {"test": "x"}, "split": "y"}, ValueError, r"both 'split', which is always used, and 'splits'"),
        ({"classnames": [False, "robin"]}, TypeError, r"must be strings, got False; quote it in YAML"),
        ({"classnames": []}, ValueError, r"classnames is empty; it must list the classes in the order of the labels"),
        ({"classnames": None}, KeyError, r"no class names are known for the task 'birds'"),
        ({"templates": ["a bird"]}, ValueError, r"a template must hold {} once, for the class name; got 'a bird'"),
        ({"templates": "a {}"}, TypeError, r"templates must be a list of prompts, got the string 'a {}'"),
    ],
)
def test_mistakes_are_named(write, changes, error, message):
    with pytest.raises(error, match=message):
        check_entry("birds", write(**changes))


def test_a_missing_or_broken_file(write, tmp_path):
    write()
    with pytest.raises(
        FileNotFoundError, match=r"task 'x': there is no file 'bird.yaml' in .*; did you mean 'birds.yaml'"
    ):
        check_entry("x", "bird.yaml")
    (tmp_path / "list.yaml").write_text("[1, 2]", encoding="utf-8")
    with pytest.raises(ValueError, match=r"list\.yaml must map keys to values, got a list"):
        check_entry("x", "list.yaml")
    (tmp_path / "broken.yml").write_text("a: [1,", encoding="utf-8")
    with pytest.raises(ValueError, match=r"broken\.yml is not valid YAML: while parsing"):
        check_entry("x", "broken.yml")
    with pytest.raises(TypeError, match=r"task 'x' has an unknown key 'slpit'; allowed are .*; did you mean 'split'"):
        check_entry("x", {"path": "birds.yaml", "slpit": "train"})
