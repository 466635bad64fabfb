"""Reading a command line."""

from fusion_bench.cli.request import Request


def test_flags_values_and_overrides_are_told_apart():
    request = Request.from_argv(["-m", "a=1", "--config-dir", "x=y", "~b", "--config-name=other", "--cfg", "job", "c"])
    assert request.overrides == ("a=1", "~b", "c")
    assert (request.config_dir, request.config_name) == ("x=y", "other")
    assert request.flags == ("-m", "--config-dir", "--config-name=other", "--cfg")


def test_overrides_are_moved_behind_the_flags():
    request = Request.from_argv(["a=1", "-m", "b=2", "--config-dir", "d", "c=3"])
    assert request.arguments == ("-m", "--config-dir", "d", "a=1", "b=2", "c=3")


def test_a_flag_without_its_value_is_left_to_hydra():
    assert Request.from_argv(["--config-name"]).arguments == ("--config-name",)


def test_search_path_has_the_config_dir_and_the_overrides(tmp_path):
    request = Request.from_argv([f"--config-dir={tmp_path}", "hydra.searchpath=[pkg://more, file:///there]"])
    assert request.search_path == ["pkg://more", "file:///there", f"file://{tmp_path}"]


def test_compose_finds_options_of_a_further_directory(config_dir):
    request = Request.from_argv([f"--config-dir={config_dir}", "method=toys/toy", "method.alpha=0.1"])
    assert request.compose().method.alpha == 0.1
    assert request.compose(["method=toys/toy"]).method.alpha == 0.5


def test_a_task_may_be_added_under_any_name():
    request = Request.from_argv(["taskpool.test_datasets.birds=birds.yaml", "taskpool.test_datasets.mnist.split=train"])
    assert request.overrides == (
        "++taskpool.test_datasets.birds=birds.yaml",
        "taskpool.test_datasets.mnist.split=train",
    )
    tasks = Request.from_argv(["taskpool.test_datasets.birds=b.yaml", "taskpool.test_datasets.mnist=x"]).compose()
    assert (tasks.taskpool.test_datasets.birds, tasks.taskpool.test_datasets.mnist) == ("b.yaml", "x")


def test_models_and_their_data_may_be_given_as_mappings():
    pool = "modelpool=ImageClassificationModelPool/_template"
    given = ["modelpool.models={a: x, b: y}", "modelpool.train_datasets={a: z}"]
    config = Request.from_argv([pool, *given]).compose().modelpool
    assert (config.models, config.train_datasets) == ({"a": "x", "b": "y"}, {"a": "z"})
