"""Score every method on tiny8 and write ``docs/results.md``, its JSON and the table of the README.

``python -m tools.tiny8.results``; with ``--work DIR``, where the build left its float32 checkpoints, also what half
precision costs.
"""

from __future__ import annotations

import argparse
import itertools
import json
import re
from collections.abc import Sequence
from pathlib import Path

from fusion_bench.modelpool import CLIPVisionModelPool
from tools.tiny8.results.bootstrap import Difference, paired_difference
from tools.tiny8.results.page import page, short_table
from tools.tiny8.results.scores import Row, all_rows, task_pool
from tools.tiny8.ship import write_manifest
from tools.tiny8.suite import NAMES, ROOT, SHIPPED, Workshop

PAGE = ROOT / "docs/results.md"
NUMBERS = ROOT / "docs/results.json"
README = ROOT / "README.md"
INDIVIDUAL = SHIPPED / "individual.json"
_BLOCK = re.compile(r"(<!-- tiny8 results -->\n).*(<!-- /tiny8 results -->)", re.DOTALL)


def differences(rows: Sequence[Row]) -> list[Difference]:
    """Each method against the next worse one, and OPCM against every other merge."""
    ranked = sorted(rows, key=lambda row: -row.mean)
    pairs = list(itertools.pairwise(ranked))
    opcm = next(row for row in rows if row.name == "OPCM")
    others = [row for row in ranked if row.name not in ("OPCM", "individual", "pretrained")]
    pairs += [(opcm, other) for other in others if (opcm, other) not in pairs and (other, opcm) not in pairs]
    return [paired_difference(first, second) for first, second in pairs]


def half_precision(individual: Row, workshop: Workshop) -> str:
    """A table of the accuracies of the fine-tuned models as trained and as shipped."""
    rate = json.loads((SHIPPED / "fine_tuning.json").read_text(encoding="utf-8"))["learning_rate"]
    paths = {task: workshop.fine_tuned(rate, task) / "run/checkpoint" for task in NAMES}
    models, tasks = CLIPVisionModelPool({task: str(path) for task, path in paths.items()}), task_pool("test")
    full = {task: tasks.evaluate(models.load_model(task), tasks=[task]).scores[task].accuracy for task in NAMES}
    lines = [f"| individual models | {' | '.join(NAMES)} | mean |", "|---" + "|---:" * (len(NAMES) + 1) + "|"]
    for name, accuracies in (("float32, as trained", full), ("float16, as shipped", individual.accuracies)):
        cells = [f"{100 * accuracies[task]:.2f}" for task in NAMES]
        lines.append(f"| {name} | {' | '.join(cells)} | {100 * sum(accuracies.values()) / len(NAMES):.2f} |")
    return "\n".join(lines) + "\n"


def numbers(rows: Sequence[Row], found: Sequence[Difference]) -> str:
    """Everything on the page, for programs."""
    methods = {
        row.name: {**row.options, "accuracy": row.accuracies, "mean": row.mean, "mean_by_order": list(row.means)}
        for row in rows
    }
    return json.dumps({"methods": methods, "differences": [vars(d) for d in found]}, indent=1) + "\n"


def main() -> None:
    """Score, then write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, help="directory of the build")
    options = parser.parse_args()
    rows = all_rows()
    found = differences(rows)
    halves = _kept_halves() if options.work is None else half_precision(rows[-1], Workshop(options.work))
    PAGE.write_text(page(rows, found, halves), encoding="utf-8")
    NUMBERS.write_text(numbers(rows, found), encoding="utf-8")
    INDIVIDUAL.write_text(json.dumps(rows[-1].accuracies, indent=1) + "\n", encoding="utf-8")
    write_manifest()
    block = rf"\g<1>{short_table(rows)}\n\g<2>"
    README.write_text(_BLOCK.sub(block, README.read_text(encoding="utf-8")), encoding="utf-8")


def _kept_halves() -> str:
    """The table of half precision as it stands on the page."""
    return PAGE.read_text(encoding="utf-8").partition("## Half precision\n")[2].lstrip("\n") if PAGE.exists() else ""


if __name__ == "__main__":
    main()
