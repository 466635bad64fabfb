"""The data card of each task."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from tools.tiny8.data.assign import SPLITS
from tools.tiny8.data.examples import Example
from tools.tiny8.data.provenance import PROVENANCE
from tools.tiny8.data.tasks import Task

_SPLIT_RULES = {
    "emoji": "All variants of an emoji, and emoji that one set draws alike, are on one side; the task `style` has the "
    "same sides. Two fifths of the emoji are in neither task.",
    "clipart": "Pictures whose file names agree but for numbers, or that look alike (cosine-transform hash and coarse "
    "pixels, searched through the whole collection), are on one side; of the rest, training pictures that look like a "
    "validation or test picture under a wider limit are dropped. No class has more than 16 % of a split.",
    "letters": "Each font family is on one side for everything that is drawn from fonts; families count as one if "
    "their names differ in weight, width or slant only, or if they draw characters the same.",
    "fashion": "Test pictures are of the official test part, the others of the training part; no picture twice.",
    "mnist": "Dealt at random within each class; no picture twice.",
}
_SAME_RULE = {"style": "emoji", "scripts": "letters", "digits": "mnist"}


def card(task: Task, splits: Mapping[str, Sequence[Example]]) -> str:
    """The text of ``README.md``."""
    provenance = PROVENANCE[task.name]
    rule = _SPLIT_RULES[_SAME_RULE.get(task.name, task.name)]
    prompts = ", ".join(f'"{template}"' for template in task.templates)
    return f"""{_header(task, splits)}
# tiny8: {task.name}

{task.pictures[0].upper()}{task.pictures[1:]}. One of the eight tasks of tiny8, 32x32 RGB.
Made by `python -m tools.tiny8.data`; the pictures are changed from their sources: {provenance.changes}.

Columns: `image`, `label` (the class names are those to put into prompts), `identity` ({task.identity}).
Prompts: {prompts}.

## Sources and licences

{provenance.text}

## Splits

{rule} No identity and no picture is in two splits, nor in the pictures that the suite's base model was trained on.

{_counts(task, splits)}
"""


def _header(task: Task, splits: Mapping[str, Sequence[Example]]) -> str:
    licences = "\n".join(f"- {licence}" for licence in PROVENANCE[task.name].licences)
    files = "\n".join(f"  - split: {split}\n    path: {split}.parquet" for split in SPLITS)
    total = sum(map(len, splits.values()))
    size = "1K<n<10K" if total >= 1000 else "n<1K"
    return f"""---
license:
{licences}
pretty_name: tiny8 {task.name}
task_categories:
- image-classification
size_categories:
- {size}
configs:
- config_name: default
  data_files:
{files}
---
"""


def _counts(task: Task, splits: Mapping[str, Sequence[Example]]) -> str:
    rows = [f"| class | {' | '.join(SPLITS)} |", "|---" * (1 + len(SPLITS)) + "|"]
    counts = {split: Counter(example.label for example in splits[split]) for split in SPLITS}
    for label, name in enumerate(task.classes):
        rows.append(f"| {name} | {' | '.join(str(counts[split][label]) for split in SPLITS)} |")
    rows.append(f"| **all** | {' | '.join(str(len(splits[split])) for split in SPLITS)} |")
    identities = (str(len({example.identity for example in splits[split]})) for split in SPLITS)
    rows.append(f"| identities | {' | '.join(identities)} |")
    return "\n".join(rows)
