"""A directory of small configurations, and the command line called in this process."""

import logging
import sys
from pathlib import Path

import pytest

FILES = {
    "method/toys/toy.yaml": "_target_: cli_toys.ToyMethod\nshuffle_order: true\norder: null\nalpha: 0.5\n",
    "modelpool/toys/two.yaml": "_target_: fusion_bench.modelpool.BaseModelPool\n"
    "models: {_pretrained_: a, sun397: b, cars: c}\n",
    "taskpool/toys/two.yaml": "_target_: cli_toys.ToyTaskPool\ntest_datasets: {sun397: x, cars: y}\ntasks: null\n",
}


@pytest.fixture
def config_dir(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        file = tmp_path / "configs" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return tmp_path / "configs"


@pytest.fixture
def command(config_dir, tmp_path, monkeypatch):
    """Call ``fusion_bench`` with arguments in an empty working directory; logging is put back afterwards."""
    from fusion_bench.cli.main import main

    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
    for name in ("FUSION_BENCH_PROJECT_ROOT", "FUSION_BENCH_DATA_DIR", "FUSION_BENCH_CACHE_DIR"):
        monkeypatch.delenv(name, raising=False)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level

    def call(*arguments: str) -> None:
        monkeypatch.setattr(sys, "argv", ["fusion_bench", f"--config-dir={config_dir}", *arguments])
        main()

    yield call
    root.handlers[:], root.level = handlers, level


@pytest.fixture
def error_of(command):
    """The message with which ``fusion_bench`` ends; fails where it ends without an error."""

    def call(*arguments: str) -> str:
        with pytest.raises(SystemExit) as ended:
            command(*arguments)
        assert isinstance(ended.value.code, str), f"ended with {ended.value.code!r}, not with a message"
        return ended.value.code

    return call
