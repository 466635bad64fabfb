"""The last look at what was made: nothing of one split, or of pretraining, may be in another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

from tools.tiny8.data.assign import SPLITS
from tools.tiny8.data.examples import Captioned, Example

SHARED_IDENTITIES = (("emoji", "style"), ("letters", "scripts"))  # tasks that keep the same things apart
_DRAWN = ("letters", "digits", "signs", "scripts")
_EMOJI = ("emoji", "emoji tones", "style")
POOL_SOURCES = {"emoji": _EMOJI, "style": _EMOJI, "clipart": ("clip art",), "letters": _DRAWN, "scripts": _DRAWN}


class LeakError(ValueError):
    """Something is on two sides."""


def check_images(splits: Mapping[str, Sequence[Example]], task: str) -> None:
    """No picture twice in different splits of a task.

    Raises:
        LeakError: one is.
    """
    contents = {split: {example.pixels.tobytes() for example in examples} for split, examples in splits.items()}
    for one, other in combinations(contents, 2):
        both = len(contents[one] & contents[other])
        if both:
            raise LeakError(f"{task}: {both} pictures are in {one} and in {other}")


def check_identities(tasks: Mapping[str, Mapping[str, Sequence[Example]]]) -> None:
    """No identity in two splits of a task, or of tasks that share identities.

    Raises:
        LeakError: one is.
    """
    together = [names for names in SHARED_IDENTITIES if all(name in tasks for name in names)]
    alone = [(name,) for name in tasks if not any(name in names for names in together)]
    for names in [*together, *alone]:
        seen = {
            split: {example.identity for name in names for example in tasks[name].get(split, ())} for split in SPLITS
        }
        for one, other in combinations(SPLITS, 2):
            both = sorted(seen[one] & seen[other])
            if both:
                raise LeakError(f"{' and '.join(names)}: in {one} and in {other} are {both[:5]}")


def check_pool(pool: Sequence[Captioned], tasks: Mapping[str, Mapping[str, Sequence[Example]]]) -> None:
    """No picture of a task in the pretraining pool, and none of a kind that a task keeps apart.

    Raises:
        LeakError: one is.
    """
    taken = {example.pixels.tobytes() for splits in tasks.values() for found in splits.values() for example in found}
    both = sum(example.pixels.tobytes() in taken for example in pool)
    if both:
        raise LeakError(f"{both} pictures of the pretraining pool are in a task")
    for name, sources in POOL_SOURCES.items():
        kept = {example.identity for found in tasks.get(name, {}).values() for example in found}
        shared = sorted(kept & {example.identity for example in pool if example.source in sources})
        if shared:
            raise LeakError(f"in the pretraining pool and in {name} are {shared[:5]}")


def distinct(splits: Mapping[str, Sequence[Example]]) -> dict[str, list[Example]]:
    """The splits without repeated pictures: test keeps one that it shares, validation one that training has too."""
    seen: set[bytes] = set()
    kept: dict[str, list[Example]] = {}
    for split in reversed(SPLITS):
        kept[split] = []
        for example in splits[split]:
            content = example.pixels.tobytes()
            if content not in seen:
                seen.add(content)
                kept[split].append(example)
    return {split: kept[split] for split in SPLITS}
