"""The options shown are those of the configuration files, each with its default and its documentation."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from fusion_bench.cli.config_files import ConfigFiles
from fusion_bench.webui.comments import comments, summary
from fusion_bench.webui.docstrings import Docstrings, plain
from fusion_bench.webui.options import OptionTree, targets

METHODS = ConfigFiles().options("method")


@pytest.fixture(scope="module")
def options():
    return OptionTree()


@pytest.fixture(scope="module")
def opcm(options):
    return options.build({"method": "opcm/opcm"})


def test_choices_are_the_groups_with_something_to_choose(opcm):
    choices = {group.key: group for group in opcm.groups}
    assert list(choices) == ["method", "modelpool", "taskpool", "executor", "fabric/loggers"]
    assert choices["method"].options == tuple(METHODS)
    assert choices["modelpool"].default == "CLIPVisionModelPool/clip-vit-tiny_tiny8"
    assert choices["fabric/loggers"].options[-2:] == ("tensorboard_logger", "wandb_logger")


def test_options_of_the_chosen_method_have_the_defaults_of_its_file(opcm):
    method = next(section for section in opcm.sections if section.key == "method")
    entries = yaml.safe_load(ConfigFiles().read("method/opcm/opcm"))
    del entries["_target_"]
    assert {option.name: option.default for option in method.options} == entries
    assert method.documentation.startswith("Orthogonal projection of each new task vector")


def test_parts_of_parts_are_sections_inside(opcm):
    tasks = next(section for section in opcm.sections if section.key == "taskpool")
    inner = {section.key: section for section in tasks.sections}
    assert "arguments of `torch.utils.data.DataLoader`" in inner["taskpool.dataloader_kwargs"].documentation
    keys = [option.key for option in inner["taskpool.test_datasets"].walk()]
    assert keys[:3] == [
        f"taskpool.test_datasets.emoji.{name}" for name in ("classnames", "dataset.path", "dataset.split")
    ]


def test_what_the_page_decides_is_not_an_option(opcm):
    keys = [option.key for option in opcm.walk()]
    assert {"path.data_dir", "fabric.precision", "seed", "fast_dev_run"} <= set(keys)
    assert not {"path.log_dir", "dry_run", "resume", "fabric.loggers.version", "method._target_"} & set(keys)
    assert opcm.targets["method._target_"] == "fusion_bench.method.opcm.opcm.OPCM"


def test_a_default_reads_as_one_would_type_it(opcm):
    shown = {option.key: option.default_text for option in opcm.walk()}
    assert shown["method.order"] == "null"
    assert shown["method.shuffle_order"] == "true"
    assert shown["taskpool.processor"] == "${.base_model}"


@pytest.mark.parametrize("method", METHODS)
def test_every_option_of_a_method_is_documented(method):
    files = ConfigFiles()
    entries = yaml.safe_load(files.read(f"method/{method}"))
    told = comments(files, f"method/{method}") | dict(DOCSTRINGS.of(entries["_target_"]).arguments)
    assert [key for key in entries if key not in ("_target_", "defaults") and not told.get(key)] == []
    assert DOCSTRINGS.of(entries["_target_"]).summary


DOCSTRINGS = Docstrings()


def test_every_option_of_the_embedded_suite_is_documented(opcm):
    data = ("modelpool.models.", "datasets.", "dataloader_kwargs.")  # what these are is said once, above them
    bare = [option.key for option in opcm.walk() if not option.documentation]
    assert [key for key in bare if not any(part in key for part in data)] == []


def test_documentation_is_that_of_the_class_and_of_those_it_derives_from():
    told = DOCSTRINGS.of("fusion_bench.method.opcm.opcm.OPCM").arguments
    assert told["alpha"] == "share of the singular values whose directions are protected, in [0, 1]."
    assert told["order"].endswith("the path of a `model_names.json` to replay.")
    assert DOCSTRINGS.of("fusion_bench.modelpool.CLIPVisionModelPool").arguments["models"]


@pytest.mark.parametrize(
    "target", ["lightning.Fabric", "fusion_bench.no.such.Class", "fusion_bench.method.opcm", "None"]
)
def test_what_has_no_documentation_has_none(target):
    assert DOCSTRINGS.of(target).arguments == {}


def test_markup_of_docstrings_is_taken_off():
    assert plain("see :class:`a.b.Thing`,\n    ``x`` or :func:`~y.z`") == "see `Thing`, `x` or `z`"


def test_comments_behind_keys_are_read_with_those_of_the_files_taken_in(tmp_path):
    folder = tmp_path / "method"
    folder.mkdir()
    (folder / "_part.yaml").write_text("a: 1 # of the part\nb: 2 # of the part\n")
    (folder / "mine.yaml").write_text(
        "# Two\n# lines.\ndefaults:\n  - /method/_part@_here_\n  - _self_\nb: 3 # own\n"
        "inner:\n  c: '#4' # deep\n  d: x#y\ne: {f: 1} # a mapping\n"
    )
    files = ConfigFiles([f"file://{tmp_path}"])
    told = {"a": "of the part", "b": "own", "inner.c": "deep", "e": "a mapping"}
    assert comments(files, "method/mine") == told
    assert summary(files, "method/mine") == "Two lines."
    assert comments(files, "method/nothing") == {}


def test_configurations_of_the_user_are_among_the_options(tmp_path):
    (tmp_path / "method").mkdir()
    (tmp_path / "method" / "mine.yaml").write_text("# Mine.\n_target_: mine.Mine\nshare: 0.5 # of the second\n")
    options = OptionTree(str(tmp_path))
    tree = options.build({"method": "mine"})
    assert "mine" in tree.groups[0].options
    assert [(option.key, option.default, option.documentation) for option in tree.sections[0].options] == [
        ("method.share", 0.5, "of the second")
    ]
    assert options.describe("method", "mine") == "Mine."


def test_targets_are_found_at_any_depth():
    config = {"_target_": "a", "parts": [{"_target_": "b"}, {"x": {"_target_": "c"}}]}
    assert dict(targets(config)) == {"_target_": "a", "parts.0._target_": "b", "parts.1.x._target_": "c"}


def test_nothing_heavy_is_imported():
    code = "import sys; from fusion_bench.webui.desk import Desk; Desk().tree()\n"
    code += "print([n for n in ('torch', 'transformers', 'lightning', 'datasets', 'matplotlib') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=Path.cwd())
    assert done.stdout == "[]\n", done.stderr
