"""The command ``fusion_bench_prefetch``: download what a run needs, before it runs where there is no network."""

from __future__ import annotations

import sys
from typing import Any

from omegaconf import OmegaConf

from fusion_bench.cli.early import check_early
from fusion_bench.cli.errors import ReportedError
from fusion_bench.cli.main import check_flags, guarded
from fusion_bench.cli.request import Request
from fusion_bench.cli.run_errors import explain_run

DRY_RUN = "--dry-run"
FLAGS = ("--config-dir", "--config-name", DRY_RUN, "--help")
_SHORT = ("-cd", "-cn", "-h")
USAGE = """\
usage: fusion_bench_prefetch [--dry-run] [--config-name NAME] [--config-dir DIR] [key=value ...]

Download the models, tokenizers, processors and data sets that 'fusion_bench' with the same arguments reads.
What is on this machine already, complete, is left alone; what an interrupted download left goes on where it stopped.

  --dry-run      list what is needed, with sizes and places, and download nothing
  --config-name  the configuration to start from; fabric_finetune downloads what fine-tuning needs
  --config-dir   a directory of further configurations
"""
_KEYS = ("modelpool", "taskpool", "method", "task", "start")  # all that decides what is needed


def main() -> None:
    """Entry point of the console script and of ``python -m fusion_bench.cli.prefetch``."""
    guarded(_start, Request.from_argv(sys.argv[1:]))


def _start(request: Request) -> None:
    """Answer ``--help``, list what is needed, and download it.

    Raises:
        ReportedError: with one readable message.
    """
    check_flags(request, FLAGS)
    flags = [flag.partition("=")[0] for flag in request.flags]
    unknown = [flag for flag in flags if flag not in (*FLAGS, *_SHORT)]
    if unknown:
        raise ReportedError(f"fusion_bench_prefetch takes no {unknown[0]!r}; it has {', '.join(FLAGS)}")
    if {"--help", "-h"} & set(flags):
        sys.stdout.write(USAGE)
        return
    check_early(request.without(DRY_RUN))
    try:
        _prefetch(request.without(DRY_RUN), dry_run=DRY_RUN in flags)
    except ReportedError:
        raise
    except Exception as error:
        message = explain_run(error)
        if message is None:
            raise
        raise ReportedError(message) from error


def _prefetch(request: Request, *, dry_run: bool) -> None:
    from fusion_bench.programs.downloads import download_items, format_items, list_items, needed_by_config
    from fusion_bench.sources.missing import grouped

    config = request.compose()
    needed = needed_by_config({key: _resolved(config[key]) for key in _KEYS if key in config})
    items = list_items(needed)
    sys.stdout.write(f"{format_items(items)}\n")
    sys.stdout.flush()
    if dry_run:
        return
    errors = download_items(items)
    if errors:
        raise ReportedError(
            f"{len(errors)} of {len(items)} could not be downloaded:\n{grouped(errors)}\n"
            "Run the same command again: it goes on where it stopped"
        )


def _resolved(value: Any) -> Any:
    """A part of the configuration, independent of the others; those may hold what only a job can compute."""
    return OmegaConf.create(OmegaConf.to_container(value, resolve=True)) if OmegaConf.is_config(value) else value


if __name__ == "__main__":
    main()
