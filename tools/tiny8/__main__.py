"""Rebuild tiny8 from its sources to the table: ``python -m tools.tiny8 --work DIR``.

Data, pretraining, fine-tuning, results. Each stage skips what it finds done and goes on where it was interrupted.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tools.tiny8.suite import ROOT, SHIPPED, Workshop

# Memory given back to the system after each operation, and taken anew, costs training half of its time.
KEEP_MEMORY = {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(1 << 40)}


@dataclass(frozen=True)
class Stage:
    """One program, about how many minutes it takes on two idle cores, and the file that says it is done."""

    module: str
    arguments: tuple[str, ...]
    minutes: int
    done: Path | None = None


def stages(workshop: Workshop) -> list[Stage]:
    """All stages in order."""
    work, data, pool = str(workshop.root), str(SHIPPED / "data"), str(workshop.pool)
    return [
        Stage(
            "data", ("--cache", str(workshop.cache), "--out", data, "--pool", pool), 12, workshop.pool / "pairs.json"
        ),
        Stage(
            "pretrain",
            ("--pool", pool, "--data", data, "--out", str(workshop.base)),
            75,
            workshop.base / "training.json",
        ),
        Stage("finetune", ("--work", work), 10),
        Stage("results", ("--work", work), 8),
        Stage("picture", (), 1),
    ]


def main() -> None:
    """Run the stages that are not done."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=ROOT / "data/tiny8", help="directory of the build (3.5 GB)")
    workshop = Workshop(parser.parse_args().work.resolve())
    remaining = [stage for stage in stages(workshop) if not (stage.done and stage.done.exists())]
    say(f"{len(remaining)} stages, about {sum(stage.minutes for stage in remaining)} minutes on two idle cores")
    for stage in remaining:
        start = time.monotonic()
        say(f"{stage.module}: about {stage.minutes} minutes")
        command = [sys.executable, "-m", f"tools.tiny8.{stage.module}", *stage.arguments]
        subprocess.run(command, check=True, cwd=ROOT, env={**KEEP_MEMORY, **os.environ})
        say(f"{stage.module}: done in {(time.monotonic() - start) / 60:.1f} minutes")


def say(text: str) -> None:
    """Write a line of progress."""
    print(f"tiny8: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
