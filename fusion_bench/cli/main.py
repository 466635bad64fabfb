"""The command ``fusion_bench``: compose a configuration, check it, run its program."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from fusion_bench.cli.checks import check_config
from fusion_bench.cli.early import check_early
from fusion_bench.cli.errors import ReportedError, explain
from fusion_bench.cli.help import help_text
from fusion_bench.cli.request import CONFIG_MODULE, CONFIG_NAME, FLAGS, Request
from fusion_bench.cli.run_errors import explain_run
from fusion_bench.cli.suggest import did_you_mean, nearest
from fusion_bench.programs.log_dir import remove_if_empty

log = logging.getLogger(__name__)

FULL_ERROR = "HYDRA_FULL_ERROR"


@hydra.main(config_path=f"pkg://{CONFIG_MODULE}", config_name=CONFIG_NAME, version_base="1.3")
def run_job(config: DictConfig) -> None:
    """Run the program of one composed configuration.

    Raises:
        ReportedError: with one readable message, from whatever a user can act on.
    """
    hydra_config = HydraConfig.get()
    try:
        OmegaConf.resolve(config)  # once: a copy would resolve the time in the log directory anew
        check_config(config)
        from fusion_bench.utils.configurable import build

        build(config).run()
    except Exception as error:
        message = explain_run(error, hydra_config.runtime.choices)
        if hydra_config.mode == RunMode.MULTIRUN:
            overrides = " ".join(hydra_config.overrides.task)
            message = message and f"job {hydra_config.job.num} ({overrides}): {message}"
            log.error("%s", message or f"job {hydra_config.job.num} ({overrides}) failed", exc_info=message is None)
        if message is None:
            raise
        raise ReportedError(message) from error
    finally:
        remove_if_empty(hydra_config.runtime.output_dir, below=_output_dir(config))


def _output_dir(config: DictConfig) -> str | None:
    found = OmegaConf.select(config, "path.output_dir", throw_on_resolution_failure=False)
    return str(found) if found is not None else None


def main() -> None:
    """Entry point of the console script and of ``python -m fusion_bench``.

    Errors that a user can act on end the process with status 1 and one message; ``HYDRA_FULL_ERROR=1`` and bugs
    give the traceback.
    """
    guarded(_start, Request.from_argv(sys.argv[1:]))


def guarded(start: Callable[[Request], None], request: Request) -> None:
    """Answer a command line with ``start``, and end the process with one message where that fails."""
    try:
        if os.environ.get(FULL_ERROR) == "1":
            start(request)
            return
        with _errors_raised():
            start(request)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # the reader of our output, such as `head`, has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        message = None if os.environ.get(FULL_ERROR) == "1" else explain(error, request)
        if message is None:
            raise
        sys.exit(f"error: {message}")


def check_flags(request: Request, flags: Sequence[str]) -> None:
    """Find flags and configuration directories that do not exist.

    Raises:
        ReportedError: naming the first one.
    """
    for place in request.search_path:
        if place.startswith("file://") and not os.path.isdir(place.removeprefix("file://")):
            raise ReportedError(f"no configuration directory {place.removeprefix('file://')}")
    for flag in request.flags:
        name = flag.partition("=")[0]
        if name.startswith("--") and not any(known.startswith(name) for known in flags):
            raise ReportedError(f"no flag {name!r}{did_you_mean(nearest(name, flags), flags, what='flags')}")


def _start(request: Request) -> None:
    """Answer ``--help``, or hand over to hydra what has no early error.

    Raises:
        ReportedError: if a flag or a configuration directory does not exist.
    """
    check_flags(request, FLAGS)
    if {"--help", "-h"} & set(request.flags) and request.config_path is None:
        sys.stdout.write(help_text(request))
        sys.stdout.flush()
    else:
        check_early(request)
        sys.argv[1:] = request.arguments
        _register_launchers()
        run_job()


def _register_launchers() -> None:
    """Tell Hydra of the launchers of this package, which it does not see in an editable installation."""
    from hydra.core.plugins import Plugins

    from hydra_plugins.fusion_bench_launchers.ray_launcher import RayLauncher

    Plugins.instance().register(RayLauncher)


@contextmanager
def _errors_raised() -> Iterator[None]:
    """Let hydra raise errors instead of printing them and ending the process."""
    stderr = sys.stderr
    os.environ[FULL_ERROR] = "1"
    sys.stderr = _WithoutHydraLine(stderr)
    try:
        yield
    finally:
        sys.stderr = stderr
        os.environ.pop(FULL_ERROR, None)


class _WithoutHydraLine:
    """Standard error without the line that hydra writes before it raises the error of a job."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write ``text`` unless it is that line."""
        if text.startswith("Error executing job with overrides:"):
            return len(text)
        return int(self._stream.write(text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
