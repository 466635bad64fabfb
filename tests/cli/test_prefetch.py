"""The command that downloads: the same configuration and the same errors as those of the run."""

import sys

import pytest
from omegaconf import OmegaConf

from fusion_bench.cli.prefetch import main

POOLS = {
    "modelpool": {
        "_target_": "fusion_bench.modelpool.CLIPVisionModelPool",
        "models": {"_pretrained_": "someone/clip", "mnist": "someone/clip_mnist"},
        "cache_dir": "${path.cache_dir}",
        "model_dir": "${path.model_dir}",
    },
    "taskpool": {
        "_target_": "fusion_bench.taskpool.CLIPVisionModelTaskPool",
        "base_model": "someone/clip",
        "test_datasets": {"mnist": "someone/mnist"},
        "model_dir": "${path.model_dir}",
        "data_dir": "${path.data_dir}",
    },
}
MINE = ("modelpool=mine", "taskpool=mine")


@pytest.fixture
def prefetch(tmp_path, monkeypatch, capsys):
    """Call the command in an empty directory; gives what it wrote, or the message it ended with."""
    for group, pool in POOLS.items():
        (tmp_path / "configs" / group).mkdir(parents=True)
        OmegaConf.save(OmegaConf.create(pool), tmp_path / "configs" / group / "mine.yaml")
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")

    def call(*arguments):
        monkeypatch.setattr(
            sys, "argv", ["fusion_bench_prefetch", "--config-dir", str(tmp_path / "configs"), *arguments]
        )
        try:
            main()
        except SystemExit as ended:
            return ended.code
        return capsys.readouterr().out

    return call


def test_lists_downloads_and_is_done(prefetch, fake_hub, tmp_path):
    listing = prefetch("--dry-run", *MINE)
    assert "model 'mnist'" in listing
    assert "in 5 parts" in listing
    assert not fake_hub.downloaded
    assert "in 5 parts" in prefetch(*MINE)
    assert fake_hub.downloaded
    fake_hub.offline = True
    assert prefetch(*MINE).endswith("to download: nothing\n")
    assert not list((tmp_path / "work").iterdir())  # it is no run


def test_one_override_names_the_local_copies(prefetch, fake_hub):
    fake_hub.offline = True
    where = (f"path.model_dir={fake_hub.root}/model", f"path.data_dir={fake_hub.root}/dataset/someone")
    assert prefetch("--dry-run", *MINE, *where).endswith("to download: nothing\n")


def test_what_could_not_be_downloaded_is_one_error(prefetch, fake_hub):
    fake_hub.breaks_after = 2
    message = prefetch(*MINE)
    assert message.startswith(
        "error: 4 of 5 could not be downloaded:\n  model 'mnist': 'someone/clip_mnist' is neither"
    )
    assert message.endswith("Run the same command again: it goes on where it stopped")


def test_the_suite_of_the_package_is_here(prefetch, fake_hub, monkeypatch):
    monkeypatch.setattr("fusion_bench.programs.downloads.needed_by", lambda pool, names, tasks: tasks.needed()[3:])
    assert prefetch("--dry-run").endswith("to download: nothing\n")
    assert not fake_hub.asked


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["modelpol=mine"], "error: no key 'modelpol' in the configuration; did you mean 'modelpool' or 'model'?"),
        (["modelpool=mien"], "error: no option 'mien' in the group 'modelpool'; did you mean 'mine'?"),
        (["--dry-rn"], "error: no flag '--dry-rn'; did you mean '--dry-run'?"),
        (["-m", "seed=1,2"], "error: fusion_bench_prefetch takes no '-m'; it has --config-dir"),
        ([*MINE, "+taskpool.bas=1"], "CLIPVisionModelTaskPool has no key 'bas'"),
        ([*MINE, "taskpool.test_datasets.mnist=/nowhere"], "error: 1 of 5 could not be downloaded:"),
    ],
)
def test_errors_are_one_message(prefetch, fake_hub, arguments, message):
    ended = str(prefetch(*arguments))
    assert ended.startswith("error: ")
    assert message in ended


def test_help(prefetch):
    assert prefetch("--help").startswith("usage: fusion_bench_prefetch")
