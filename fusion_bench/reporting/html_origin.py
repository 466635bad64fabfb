"""Where the results of a report come from: configurations and how they differ, versions, hardware, files."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from fusion_bench.reporting.comparison import SuiteComparison
from fusion_bench.reporting.grouping import key_text
from fusion_bench.reporting.html_tables import ABSENT, Cell, Column, HtmlTable, duration_text
from fusion_bench.reporting.run import Run

_OF_THE_MACHINE = ("path", "hydra", "fabric.loggers", "report_save_path")  # where files are, not what was done
_MOST_VALUES = 4
_NOTHING = "\0"


@dataclass(frozen=True)
class Listing:
    """A long text that is opened on demand."""

    title: str
    text: str


def configurations(table: SuiteComparison) -> list[Listing]:
    """The configuration of the first run of each group, as YAML."""
    return [
        Listing(group.label, yaml.safe_dump(_plain(group.runs[0].config), sort_keys=False, allow_unicode=True))
        for group in table.groups
    ]


def commands(table: SuiteComparison) -> list[Listing]:
    """The commands of each group, one a line: those that were recorded, else what was typed after the program."""
    return [
        Listing(group.label, "\n".join(dict.fromkeys(line for run in group.runs for line in _commands(run))))
        for group in table.groups
    ]


def differences_table(table: SuiteComparison, key: str) -> HtmlTable:
    """A row for each place in the configurations that is not the same in all runs, a column a group."""
    flat = [[dict(flattened(run.config)) for run in group.runs] for group in table.groups]
    places = dict.fromkeys(place for runs in flat for run in runs for place in run)
    rows = []
    for place in places:
        values = [[_value(run, place) for run in runs] for runs in flat]
        if len({value for group in values for value in group}) > 1 and not _is_of_the_machine(place):
            rows.append((Cell(place, place), *(_values(group) for group in values)))
    columns = (Column("key"), *(Column(group.label) for group in table.groups))
    caption = (
        "What differs between the configurations; where files are kept is left out. – where a run has no such key."
    )
    return HtmlTable(key, "Differences", caption, columns, tuple(rows))


def flattened(config: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every value of a configuration that is no mapping, with its dotted place."""
    for name, value in config.items():
        place = f"{prefix}{name}"
        if isinstance(value, Mapping) and value:
            yield from flattened(value, f"{place}.")
        else:
            yield place, value


def environments_table(runs: Sequence[Run], key: str) -> HtmlTable:
    """A row for each fact about software and hardware, with the number of runs that share a value."""
    found: dict[str, dict[str, int]] = {}
    for run in runs:
        for name, value in _facts(run):
            counts = found.setdefault(name, {})
            counts[value] = counts.get(value, 0) + 1
    rows = tuple((Cell(name, name), _counted(values, len(runs))) for name, values in found.items())
    return HtmlTable(
        key,
        "Software and hardware",
        "As recorded when the runs were last started.",
        (Column("what"), Column("value")),
        rows,
    )


def times_table(table: SuiteComparison, key: str) -> HtmlTable:
    """A row a group, a column a phase: mean seconds a run."""
    phases = list(dict.fromkeys(phase for group in table.groups for run in group.runs for phase in run.seconds))
    rows = []
    for group in table.groups:
        means = [_mean_seconds(group.runs, phase) for phase in phases]
        rows.append((Cell(group.label, group.label), *means))
    columns = (Column("group"), *(Column(phase, True) for phase in phases))
    return HtmlTable(key, "Times", "Time by phase, mean over the runs of a group.", columns, tuple(rows))


def fingerprints_table(runs: Sequence[Run], key: str) -> HtmlTable:
    """A row for each model, data set and other input, with the SHA-256 of its files."""
    found: dict[tuple[str, str, str, str], int] = {}
    for run in runs:
        for kind, entries in run.report.fingerprints.items():
            for name, entry in (entries if isinstance(entries, Mapping) else {}).items():
                if isinstance(entry, Mapping):
                    place = (kind.replace("_", " "), name, str(entry.get("source", "")), str(entry.get("sha256", "")))
                    found[place] = found.get(place, 0) + 1
    rows = [
        (
            Cell(name, name),
            Cell(kind, kind),
            Cell(source, source),
            Cell(digest[:16], digest, title=digest),
            _count(count),
        )
        for (kind, name, source, digest), count in found.items()
    ]
    columns = (Column("name"), Column("kind"), Column("source"), Column("SHA-256"), Column("runs", True))
    return HtmlTable(key, "Fingerprints", "What was read; of the sums the first 16 digits.", columns, tuple(rows))


def _facts(run: Run) -> Iterator[tuple[str, str]]:
    session = run.sessions[-1] if run.sessions else {}
    versions, hardware = session.get("versions"), session.get("hardware")
    for name, value in (versions if isinstance(versions, Mapping) else {}).items():
        yield name, str(value)
    if session.get("commit"):
        yield "commit", str(session["commit"])
    for name, value in (hardware if isinstance(hardware, Mapping) else {}).items():
        yield name.replace("_gib", " (GiB)"), str(value)
    if session.get("device"):
        yield "device", str(session["device"])


def _commands(run: Run) -> list[str]:
    recorded = [str(session["command"]) for session in run.sessions if session.get("command")]
    return recorded or [" ".join(["fusion_bench", *run.overrides])]


def _counted(values: Mapping[str, int], total: int) -> Cell:
    if list(values.values()) == [total]:
        return Cell(next(iter(values)), next(iter(values)))
    text = "; ".join(f"{value} ({count} of {total} runs)" for value, count in values.items())
    return Cell(text, text)


def _mean_seconds(runs: Sequence[Run], phase: str) -> Cell:
    known = [run.seconds[phase] for run in runs if phase in run.seconds]
    if not known:
        return Cell(ABSENT)
    mean = sum(known) / len(known)
    return Cell(f"{mean:.1f} s" if mean < 60 else duration_text(mean), mean)


def _value(run: Mapping[str, Any], place: str) -> str:
    return json.dumps(run[place], sort_keys=True, default=str) if place in run else _NOTHING


def _values(values: Iterable[str]) -> Cell:
    unique = list(dict.fromkeys(values))
    shown = [ABSENT if value == _NOTHING else key_text(json.loads(value)) or "null" for value in unique]
    text = ", ".join(shown) if len(shown) <= _MOST_VALUES else f"{len(shown)} values"
    return Cell(text, text, title=", ".join(shown) if len(shown) > _MOST_VALUES else "")


def _count(count: int) -> Cell:
    return Cell(str(count), count)


def _is_of_the_machine(place: str) -> bool:
    return any(place == name or place.startswith(f"{name}.") for name in _OF_THE_MACHINE)


def _plain(value: Any) -> Any:
    """Only what YAML has words for."""
    return json.loads(json.dumps(value, default=str))
