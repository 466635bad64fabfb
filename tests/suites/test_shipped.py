"""Shipped suites: parts by name, the nearest names in errors, and no file other than it was shipped."""

import ast
import sys
from pathlib import Path

import pytest
from suite_files import forget_suites

from fusion_bench.models.hub import local_directory, model_directory
from fusion_bench.suites import shipped
from fusion_bench.suites.shipped import local_file, shipped_directory, shipped_file, suites


def test_parts_are_found_by_name(toy_suite):
    assert suites() == ("toys",)
    assert shipped_directory("toys/clip") == toy_suite / "models" / "clip"
    assert shipped_directory("toys/mnist") == toy_suite / "data" / "mnist"
    assert shipped_directory(Path("toys/emoji")) == toy_suite / "data" / "emoji"
    assert shipped_file("toys/individual.json") == toy_suite / "individual.json"


@pytest.mark.usefixtures("toy_suite")
@pytest.mark.parametrize("name", ["toys", "mnist", "openai/clip", "./toys/clip", "/toys/clip", ""])
def test_what_names_no_suite_is_none(name):
    assert shipped_directory(name) is None
    assert shipped_file(name) is None


@pytest.mark.usefixtures("toy_suite")
def test_a_directory_without_a_manifest_is_no_suite(tmp_path):
    (tmp_path / "suites" / "half" / "data" / "mnist").mkdir(parents=True)
    forget_suites()
    assert suites() == ("toys",)
    assert shipped_directory("half/mnist") is None


@pytest.mark.usefixtures("toy_suite")
def test_an_unknown_part_names_the_nearest():
    with pytest.raises(FileNotFoundError, match=r"'toys' has no 'toys/clip_mnst'; did you mean 'toys/clip_mnist'"):
        shipped_directory("toys/clip_mnst")
    with pytest.raises(FileNotFoundError, match=r"it has toys/clip, toys/clip_mnist, toys/mnist, toys/emoji$"):
        shipped_directory("toys/qqqqqqqqqqqqqqqq")
    assert shipped_file("toys/other.json") is None


def test_a_changed_byte_is_refused(toy_suite):
    (toy_suite / "models" / "clip" / "model.safetensors").write_text("weightz", encoding="utf-8")
    with pytest.raises(ValueError, match=r"damaged suite 'toys': .*clip/model.safetensors has SHA-256 .*, expected .*"):
        shipped_directory("toys/clip")
    assert shipped_directory("toys/clip_mnist") is not None  # other parts are not looked at
    (toy_suite / "individual.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ValueError, match=r"individual.json has SHA-256 .*restore it \('git checkout'"):
        shipped_file("toys/individual.json")


def test_a_missing_file_is_refused(toy_suite):
    (toy_suite / "data" / "mnist" / "test.parquet").unlink()
    with pytest.raises(ValueError, match=r"mnist/test.parquet is missing; restore it"):
        shipped_directory("toys/mnist")


def test_a_part_is_compared_once_in_a_process(toy_suite, monkeypatch):
    shipped_directory("toys/clip")
    monkeypatch.setattr(shipped, "sha256", lambda path: pytest.fail(f"read {path} again"))
    assert shipped_directory("toys/clip") == toy_suite / "models" / "clip"


@pytest.mark.usefixtures("no_network")
def test_what_is_on_this_machine_under_the_same_name_wins(toy_suite, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert local_directory("toys/clip") == toy_suite / "models" / "clip"
    assert model_directory("toys/clip", "model 'a'") == toy_suite / "models" / "clip"
    assert local_file("toys/individual.json") == toy_suite / "individual.json"
    (tmp_path / "toys" / "clip").mkdir(parents=True)
    (tmp_path / "toys" / "individual.json").touch()
    assert local_directory("toys/clip") == Path("toys/clip")
    assert local_file("toys/individual.json") == Path("toys/individual.json")
    assert local_file("elsewhere/individual.json") == Path("elsewhere/individual.json")


def test_only_the_standard_library_is_imported():
    tree = ast.parse(Path(shipped.__file__).read_text(encoding="utf-8"))
    modules = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    modules += [str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert {name.partition(".")[0] for name in modules} <= sys.stdlib_module_names
