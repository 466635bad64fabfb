"""Finding the configuration files that can be chosen."""

from fusion_bench.cli.config_files import ConfigFiles


def test_shipped_files_are_found():
    files = ConfigFiles()
    assert {"dummy", "opcm/task_arithmetic"} <= set(files.options("method"))
    assert {"method", "method/opcm", "fabric/loggers"} <= set(files.groups)
    assert files.primary == ["clip_finetune", "fabric_finetune", "fabric_model_fusion"]


def test_further_directories_add_options_and_missing_ones_do_nothing(config_dir):
    files = ConfigFiles([f"file://{config_dir}", "file:///does/not/exist", "pkg://no_such_package_at_all"])
    assert "toys/toy" in files.options("method")
    assert files.by_group()["method/toys"] == ["toy"]
    assert files.options_with_key("method", "alpha")[-1] == "toys/toy"
    assert files.options_with_key("method", "alph") == []


def test_hydras_own_groups_are_not_listed():
    assert not [group for group in ConfigFiles().by_group() if group.startswith("hydra")]


def test_parts_of_other_files_are_no_options(config_dir):
    (config_dir / "method" / "toys" / "_shared.yaml").touch()
    files = ConfigFiles([f"file://{config_dir}"])
    assert [option for option in files.options("method") if option.startswith("toys/")] == ["toys/toy"]
    assert files.by_group()["method/toys"] == ["toy"]
