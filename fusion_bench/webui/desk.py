"""What the server keeps for its one user between two views of the page."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

from hydra.errors import HydraException
from omegaconf import OmegaConf

from fusion_bench.cli.request import CONFIG_NAME
from fusion_bench.webui.check import Checked, Checker, Form
from fusion_bench.webui.job import Job, Runner
from fusion_bench.webui.options import OptionTree
from fusion_bench.webui.tree import Tree


class Desk:
    """The form as it was last filled in, the run that goes on, and where runs live.

    Args:
        output: the directory of runs; None takes ``path.output_dir`` of the configuration.
        config_dir: a directory of further configurations.
    """

    def __init__(self, output: str | None = None, config_dir: str | None = None) -> None:
        self.options = OptionTree(config_dir)
        self.checker = Checker(self.options)
        self.runner = Runner()
        self.form = Form()
        self.output = Path(output if output is not None else self._configured_output())

    def tree(self) -> Tree:
        """The options under the choices of the form; choices that no longer compose are forgotten."""
        try:
            return self.checker.tree(self.form.choices)
        except HydraException:
            self.form.choices.clear()
            return self.checker.tree({})

    def check(self, tree: Tree) -> Checked:
        """The command of the form as it is now, in a new directory."""
        return self.checker.check(self.form, tree, self.output / CONFIG_NAME / f"{datetime.now():%Y-%m-%d_%H-%M-%S_%f}")

    def failed_run_of(self, checked: Checked) -> Job | None:
        """The last run, if it was this command in another directory and failed."""
        job = self.runner.job
        same = job is not None and job.arguments[:-1] == checked.arguments[:-1]  # the last one names the directory
        return job if same and job is not None and job.state == "failed" else None

    def address(self, log_dir: Path) -> str:
        """The page of the run in a directory below :attr:`output`."""
        return f"/run/{quote(log_dir.relative_to(self.output).as_posix())}"

    def file_address(self, file: Path) -> str:
        """Where a file below :attr:`output` is served."""
        return f"/files/{quote(file.relative_to(self.output).as_posix())}"

    def directory(self, parts: Iterable[str]) -> Path | None:
        """The directory that an address names; None for one outside :attr:`output`."""
        path = self.output.joinpath(*parts)
        inside = path.resolve().is_relative_to(self.output.resolve())
        return path if inside and ".." not in path.parts else None

    def _configured_output(self) -> str:
        config = self.options.request([]).compose()
        return str(OmegaConf.select(config, "path.output_dir"))
