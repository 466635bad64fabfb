"""The directory of a run."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fusion_bench.programs.log_dir import claim_version, remove_if_empty, resolve_log_dir, varies


def make_config(tmp_path, resume=False, **loggers):
    path = {"log_dir": str(tmp_path / "run"), "output_dir": str(tmp_path / "outputs")}
    return {"path": path, "fabric": {"loggers": loggers}, "resume": resume}


def test_default_is_the_log_dir_of_the_path_group(tmp_path):
    assert resolve_log_dir(make_config(tmp_path)) == tmp_path / "run"
    assert (tmp_path / "run").is_dir()
    assert resolve_log_dir({"path": {"log_dir": str(tmp_path / "plain")}}) == tmp_path / "plain"


@pytest.mark.parametrize(
    ("loggers", "expected"),
    [
        ({"root_dir": "R", "name": "n", "version": 3}, "R/n/version_3"),
        ({"root_dir": "R", "name": "n", "version": "final"}, "R/n/final"),
        ({"root_dir": "R", "name": None, "version": 0}, "R/version_0"),
        ({"name": "n", "version": 0}, "outputs/n/version_0"),
        ({"root_dir": "R", "name": "n"}, "R/n/version_0"),
    ],
)
def test_logger_keys_choose_the_directory(tmp_path, loggers, expected):
    if loggers.get("root_dir"):
        loggers["root_dir"] = str(tmp_path / loggers["root_dir"])
    assert resolve_log_dir(make_config(tmp_path, **loggers)) == tmp_path / expected


def test_free_version_follows_the_last_one(tmp_path):
    for name in ("version_0", "version_7", "version_x"):
        (tmp_path / name).mkdir()
    assert claim_version(tmp_path).name == "version_8"


def test_free_version_is_given_to_one_run_only(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        claimed = list(pool.map(lambda _: claim_version(tmp_path / "n"), range(40)))
    assert sorted(int(path.name.removeprefix("version_")) for path in claimed) == list(range(40))


def test_resume_uses_the_directory_as_it_is(tmp_path):
    config = make_config(tmp_path, resume=True, root_dir=str(tmp_path), name="n", version=2)
    assert resolve_log_dir(config) == resolve_log_dir(config) == tmp_path / "n/version_2"


def test_resume_refuses_a_free_version(tmp_path):
    with pytest.raises(ValueError, match=r"resume=true needs the version .* fabric\.loggers\.version=N"):
        resolve_log_dir(make_config(tmp_path, resume=True, name="n"))


def test_resume_refuses_a_directory_named_after_the_present_time(tmp_path):
    config = make_config(tmp_path, resume=True)
    config["path"]["log_dir"] = str(tmp_path / "2026-01-02_03-04-05_000006")
    with pytest.raises(ValueError, match=r"resume=true needs the directory .* path\.log_dir=DIR.* is new"):
        resolve_log_dir(config)
    (tmp_path / "2026-01-02_03-04-05_000006").mkdir()
    (tmp_path / "2026-01-02_03-04-05_000006" / "cli.log").touch()
    assert resolve_log_dir(config).name == "2026-01-02_03-04-05_000006"


def test_subdirectory_of_a_job(tmp_path):
    assert resolve_log_dir(make_config(tmp_path), "3") == tmp_path / "run" / "3"


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["version=0,1"], True),
        (["version=range(3)"], True),
        (["version=0,1", "seed=3"], True),
        (["version=0,1", "seed=1,2"], False),
        (["version=0", "seed=1,2"], False),
        (["version=s${seed}", "seed=1,2"], True),
        (["version=s${seed}", "seed=1,01"], False),
        (["version=0,0"], False),
        (["version=s${method._target_}", "method=a,b"], False),
        ([], False),
    ],
)
def test_varies(overrides, expected):
    assert varies(["version"], overrides) is expected


def test_only_empty_directories_are_removed(tmp_path):
    (tmp_path / "out/name/time").mkdir(parents=True)
    (tmp_path / "out/other").mkdir()
    remove_if_empty(tmp_path / "out/name/time", below=tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["other"]
    Path(tmp_path / "out/other/file").touch()
    remove_if_empty(tmp_path / "out/other", below=tmp_path / "out")
    remove_if_empty(tmp_path / "not/there")
    assert (tmp_path / "out/other/file").exists()
