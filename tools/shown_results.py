"""Write the results that pages of the documentation show, by the commands that the pages give.

``python -m tools.shown_results tutorial`` runs the commands of ``docs/tutorial.md`` in an empty directory, which takes
a few minutes; ``python -m tools.shown_results orders`` runs ``examples/opcm/compare.sh``, or takes what it left.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
COMPARISON = ROOT / "outputs/examples/opcm/compare/clip-vit-classification_tiny8/report"
PLOTS = {
    "order_spread": "order_spread",
    "radar": "radar",
    "lambda": "lambda_over_steps",
    "split_ranks": "group_5_opcm_opcm_split_ranks",
}
_WIDTH = 900  # of a picture, in pixels


def commands(page: str) -> list[str]:
    """The commands of a page that run a program of this project, each on one line."""
    blocks = re.findall(r"```console\n(.*?)```", page, re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [" ".join(line[2:].split()) for line in lines if line.startswith("$ fusion_bench")]


def between(text: str, first: str, last: str) -> str:
    """The lines of ``text`` from the one that starts with ``first`` to the next that starts with ``last``."""
    lines = text.splitlines()
    start = next(index for index, line in enumerate(lines) if line.startswith(first))
    end = next(index for index, line in enumerate(lines) if index >= start and line.startswith(last))
    return "\n".join(line.rstrip() for line in lines[start : end + 1]) + "\n"


def tutorial() -> None:
    """Run the commands of the tutorial; keep the matrix of the first and the table of the first comparison."""
    said: dict[str, str] = {}
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory() as directory:
        for command in commands((DOCS / "tutorial.md").read_text(encoding="utf-8")):
            start = time.perf_counter()
            done = subprocess.run(command.split(), cwd=directory, capture_output=True, text=True, check=True)
            said.setdefault(command.split()[0], done.stdout + done.stderr)
            print(f"{time.perf_counter() - start:6.1f} s  {command}")
    print(f"{time.perf_counter() - begin:6.1f} s  all of them")
    place = DOCS / "snippets/tutorial"
    place.mkdir(parents=True, exist_ok=True)
    (place / "matrix.txt").write_text(between(said["fusion_bench"], "step ", "ACC "), encoding="utf-8")
    (place / "table.txt").write_text(between(said["fusion_bench_report"], "tiny8", "only chance"), encoding="utf-8")


def orders() -> None:
    """Compare the continual methods over ten orders; keep the tables and some of the plots."""
    subprocess.run([ROOT / "examples/opcm/compare.sh"], check=True)
    shutil.copy(COMPARISON / "comparison.md", DOCS / "snippets/results_over_orders.md")
    place = DOCS / "images/orders"
    place.mkdir(parents=True, exist_ok=True)
    for name, plot in PLOTS.items():
        picture = Image.open(COMPARISON / f"plots/{plot}.png").convert("RGB")
        picture.thumbnail((_WIDTH, _WIDTH))
        picture.quantize(64).save(place / f"{name}.png", optimize=True)


def main(arguments: Sequence[str]) -> None:
    """Write what the named page shows."""
    pages = {"tutorial": tutorial, "orders": orders}
    if len(arguments) != 1 or arguments[0] not in pages:
        sys.exit(f"usage: python -m tools.shown_results {'|'.join(pages)}")
    pages[arguments[0]]()


if __name__ == "__main__":
    main(sys.argv[1:])
