"""How a run came about: command, versions, hardware and times, one record for each time it was started."""

from __future__ import annotations

import importlib.metadata
import logging
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import fusion_bench
from fusion_bench.utils.files import read_json, write_json

log = logging.getLogger(__name__)

PROVENANCE_FILE = "provenance.json"
_PACKAGES = ("fusion_bench", "torch", "transformers", "datasets", "lightning", "safetensors", "numpy", "scipy", "ray")
_ROOT = Path(fusion_bench.__file__).parents[1]


@contextmanager
def recorded_session(log_dir: Path, arguments: Sequence[str]) -> Iterator[None]:
    """Add a session to ``provenance.json``: what started it and, however the block ends, when and how it ended.

    A session that was killed keeps the status ``running`` and has no end.

    Args:
        log_dir: the directory of the run.
        arguments: the command and its arguments.
    """
    path = log_dir / PROVENANCE_FILE
    sessions = _sessions(path)
    session: dict[str, Any] = {
        "start": _now(),
        "end": None,
        "status": "running",
        "command": command_line(arguments),
        "versions": versions(),
        "commit": commit(),
        "hardware": hardware(),
        "device": None,
        "seconds": {},
    }
    write_json(path, {"sessions": [*sessions, session]})
    status = "failed"
    try:
        yield
        status = "finished"
    except KeyboardInterrupt:
        status = "interrupted"
        raise
    finally:
        try:
            _change_last(path, end=_now(), status=status)
        except OSError as error:  # it must not hide why the run failed, nor fail a run that is complete
            log.warning("%s lacks the end of this session: %s", path, error)


def record_times(log_dir: Path, seconds: Mapping[str, float], device: object) -> None:
    """Add to the present session on which device and how long, by phase, it computed."""
    _change_last(
        log_dir / PROVENANCE_FILE,
        device=_device_name(device),
        seconds={phase: round(value, 3) for phase, value in seconds.items()},
    )


def command_line(arguments: Sequence[str]) -> str:
    """A command as one line, without the place of the program and with ``~`` for the home directory."""
    home = str(Path.home())
    typed = [argument.replace(home, "~") if len(home) > 1 else argument for argument in arguments[1:]]
    return shlex.join([*(Path(program).name for program in arguments[:1]), *typed])


def versions() -> dict[str, str]:
    """The version of Python and of the packages that results depend on, of those that are installed."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def commit() -> str | None:
    """The commit of this package's source, ``-dirty`` where it was changed; None where it is not a checkout."""
    if not (_ROOT / ".git").exists():
        return None
    try:
        head = _git("rev-parse", "HEAD")
        return f"{head}-dirty" if _git("status", "--porcelain", "--untracked-files=no") else head
    except (OSError, subprocess.SubprocessError):
        return None


def hardware() -> dict[str, Any]:
    """System, processor, cores that this process may use, and memory."""
    return {
        "system": f"{platform.system()} {platform.release()}",
        "machine": platform.machine(),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count(),
        "memory_gib": _memory_gib(),
    }


def _device_name(device: object) -> str:
    """A torch device in words: ``cpu``, or ``cuda:0 (name of the GPU)``."""
    name = str(device)
    if name.startswith("cuda"):
        import torch

        return f"{name} ({torch.cuda.get_device_name(torch.device(name))})"
    return name


def _processor() -> str:
    """The name of the processor, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _memory_gib() -> float | None:
    if sys.platform != "linux":
        return None
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(_ROOT), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=10).stdout.strip()


def _sessions(path: Path) -> list[Any]:
    """The sessions before this one; none where there is no file, or one that holds something else."""
    try:
        content = read_json(path)
    except (OSError, ValueError):
        return []
    sessions = content.get("sessions") if isinstance(content, dict) else None
    return sessions if isinstance(sessions, list) else []


def _change_last(path: Path, **changes: Any) -> None:
    """Change the record of the present session, which is the last one."""
    *earlier, session = _sessions(path) or [{}]
    write_json(path, {"sessions": [*earlier, {**session, **changes}]})


def _now() -> str:
    """The time in UTC, to the second: ``2026-01-31T12:00:00+00:00``."""
    return datetime.now(tz=timezone.utc).isoformat(timespec="seconds")
