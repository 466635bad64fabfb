"""What is said about parts of a run that are missing."""

from __future__ import annotations

from collections.abc import Sequence

from fusion_bench.sources.needed import Needed


def missing_message(errors: Sequence[tuple[Needed, str]], command: str) -> str:
    """One message for everything that a run lacks, with the command that downloads it."""
    parts = "1 part" if len(errors) == 1 else f"{len(errors)} parts"
    return (
        f"{parts} of this run cannot be read:\n{grouped(errors)}\n"
        f"Download what is on the Hub once, where there is a network, with\n  {command}\n"
        "or give the paths of local directories. A private or gated repository needs 'hf auth login'"
    )


def grouped(errors: Sequence[tuple[Needed, str]]) -> str:
    """A line for each message, after the names of all that it is about."""
    owners: dict[str, list[str]] = {}
    for needed, message in errors:
        owners.setdefault(message.removeprefix(f"{needed.owner}: "), []).append(needed.owner)
    return "\n".join(f"  {', '.join(names)}: {message}" for message, names in owners.items())
