"""The files every run leaves in its log directory: its configuration, its overrides, its log."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fusion_bench.utils.files import write_text

REPORT_FILE = "program_report.json"


def refuse_overwriting(log_dir: Path) -> None:
    """Refuse to start a new run in the directory of another.

    Raises:
        FileExistsError: if ``log_dir`` holds the report or the resume state of a run.
    """
    for sign in (log_dir / REPORT_FILE, log_dir / "resume" / "run.json"):
        if sign.exists():
            raise FileExistsError(
                f"{log_dir} already holds a run ({sign.relative_to(log_dir)}). Add resume=true to go on with it, "
                "choose another log directory, or remove this one."
            )


def write_config_files(log_dir: Path, config: Any, overrides: Sequence[str]) -> None:
    """Write ``config.yaml`` (resolved) and ``overrides.yaml``; a resumed run keeps those it was started with."""
    from omegaconf import OmegaConf

    if not (log_dir / "config.yaml").exists():
        write_text(log_dir / "config.yaml", OmegaConf.to_yaml(config))
        write_text(log_dir / "overrides.yaml", OmegaConf.to_yaml(OmegaConf.create(list(overrides))))


@contextmanager
def log_to_file(path: Path) -> Iterator[None]:
    """Append everything that is logged, and the traceback of an error, to ``path`` while the block runs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("[%(asctime)s][%(levelname)s] %(name)s: %(message)s"))
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield
    except BaseException:
        record = logging.LogRecord(__name__, logging.ERROR, __file__, 0, "the run failed", None, sys.exc_info())
        handler.emit(record)
        raise
    finally:
        root.removeHandler(handler)
        handler.close()
