"""The files every run leaves in its log directory: its configuration, its overrides, its log."""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fusion_bench.utils.files import write_text

REPORT_FILE = "program_report.json"
_WORTH_NAMING = {
    "orders_report.json": "metrics of every order, mean and standard deviation",
    "orders.json": "the orders; orders=PATH replays them",
    "order_00": "the run of the first order; the others beside it",
    REPORT_FILE: "scores of the final model",
    "continual_report.json": "accuracy matrix and metrics",
    "trace.json": "norms and split ranks of each step",
    "checkpoints": "the merged model of each step",
    "config.yaml": "the whole configuration",
    "cli.log": "the log",
}
FINETUNE_REPORT_FILE = "finetune_report.json"


def list_files(log_dir: Path) -> str:
    """The files of a run that users look for, a line each, as far as they are there."""
    there = [(name, what) for name, what in _WORTH_NAMING.items() if (log_dir / name).exists()]
    width = max((len(name) for name, _ in there), default=0)
    return "\n".join(f"  {name:<{width}}  {what}" for name, what in there)


def refuse_overwriting(log_dir: Path) -> None:
    """Refuse to start a new run in the directory of another.

    Raises:
        FileExistsError: if ``log_dir`` holds the report or the resume state of a run.
    """
    for sign in (log_dir / REPORT_FILE, log_dir / FINETUNE_REPORT_FILE, log_dir / "resume" / "run.json"):
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
def log_to_file(path: Path, *, own_thread: bool = False) -> Iterator[None]:
    """Append everything that is logged, and the traceback of an error, to ``path`` while the block runs.

    Args:
        path: the log file.
        own_thread: leave out what other threads than this one log.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = _LogFile(path, encoding="utf-8")
    if own_thread:
        thread = threading.get_ident()
        handler.addFilter(lambda record: record.thread == thread)
    handler.setFormatter(logging.Formatter("[%(asctime)s][%(levelname)s] %(name)s: %(message)s"))
    root, ours = logging.getLogger(), logging.getLogger("fusion_bench")
    level = ours.level
    root.addHandler(handler)
    if not ours.isEnabledFor(logging.INFO):  # a plain Python process, where nobody has set up logging
        ours.setLevel(logging.INFO)
    try:
        yield
    except BaseException:
        record = logging.LogRecord(__name__, logging.ERROR, __file__, 0, "the run failed", None, sys.exc_info())
        handler.emit(record)
        raise
    finally:
        ours.setLevel(level)
        root.removeHandler(handler)
        handler.close()


class _LogFile(logging.FileHandler):
    """A log file that a full disk silences: it must neither end a run nor hide the error that does."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name is that of logging
        """Say once that the log is incomplete, unless the record itself is at fault."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            super().handleError(record)
        elif self.level < logging.CRITICAL:
            self.setLevel(logging.CRITICAL)
            sys.stderr.write(f"{self.baseFilename} is incomplete: {error}\n")

    def close(self) -> None:
        """Close the file; what a full disk does not take is lost."""
        with contextlib.suppress(OSError):
            super().close()
