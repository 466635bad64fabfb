"""Runs one by one: the table of ``fusion_bench_report list`` and the text of ``show``."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from fusion_bench.reporting.grouping import key_text
from fusion_bench.reporting.metrics import Metric
from fusion_bench.reporting.run import BOOKKEEPING, Run
from fusion_bench.reporting.sheets import Cell, Figure, Sheet
from fusion_bench.reporting.tables import continual_table, eval_table

_SHOWN_ORDER = 3  # names of an order that a list shows


def runs_sheet(runs: Sequence[Run], metrics: Sequence[Metric]) -> Sheet:
    """A row for each run: where it is, what it was, its metrics."""
    base = _common_directory(runs)
    rows = []
    for run in runs:
        figures: list[Cell] = [Figure(metric.value(run), signed=metric.signed) for metric in metrics]
        seconds = f"{sum(run.seconds.values()):.0f}" if run.seconds else ""
        name = os.path.relpath(run.directory, base)
        words = [name, run.method, options_text(run), run.suite.name, run.backbone.name, order_text(run.order)]
        rows.append((*words, key_text(run.seed), *figures, seconds, _when(run)))
    titles = [metric.title for metric in metrics]
    return Sheet(
        name="runs",
        title=f"Runs in {base}",
        header=("run", "method", "options", "suite", "backbone", "order", "seed", *titles, "seconds", "finished (UTC)"),
        rows=tuple(rows),
        left=6,
    )


def options_text(run: Run) -> str:
    """The options of the method that change its result: ``alpha 0.5, zero_diagonal true``."""
    return ", ".join(f"{key} {key_text(value)}" for key, value in run.hyper_parameters.items() if value is not None)


def order_text(order: Sequence[str] | None) -> str:
    """The beginning of an order; empty where there is none."""
    if order is None:
        return ""
    return " ".join(order[:_SHOWN_ORDER]) + (" …" if len(order) > _SHOWN_ORDER else "")


def run_text(run: Run) -> str:
    """Everything about a run that fits on a screen."""
    order = " → ".join(run.order) if run.order is not None else "none"
    others = {key: run.settings[key] for key in BOOKKEEPING if key != "order" and run.settings.get(key) is not None}
    facts = {
        "run": str(run.directory),
        "method": run.method,
        "options": options_text(run) or "none",
        "other options": ", ".join(f"{key} {key_text(value)}" for key, value in others.items()),
        "suite": run.suite.name,
        "backbone": run.backbone.name or "not known",
        "order": order,
        "seed": key_text(run.seed) or "none",
        "typed": " ".join(run.overrides) or "nothing",
    }
    results = continual_table(run.continual) if run.continual and run.continual.tasks else eval_table(run.report)
    parts = [_facts(facts), f"accuracy in %\n\n{results}"]
    parts += [_session(session, number) for number, session in enumerate(run.sessions, start=1)]
    if run.provenance is None:
        parts.append("no provenance.json: versions, command and times of this run were not recorded")
    return "\n\n".join(parts)


def _session(session: Mapping[str, Any], number: int) -> str:
    """One start of a run."""
    seconds, hardware = session.get("seconds") or {}, session.get("hardware") or {}
    versions = session.get("versions") or {}
    facts = {
        f"session {number}": f"{session.get('status')}, {session.get('start')} to {session.get('end') or 'not known'}",
        "command": str(session.get("command") or ""),
        "versions": ", ".join(f"{name} {version}" for name, version in versions.items()),
        "commit": str(session.get("commit") or ""),
        "hardware": ", ".join(f"{name} {value}" for name, value in hardware.items() if value is not None),
        "device": str(session.get("device") or ""),
        "seconds": ", ".join(f"{phase} {value:.1f}" for phase, value in seconds.items()),
    }
    return _facts(facts)


def _facts(facts: Mapping[str, str]) -> str:
    known = {name: text for name, text in facts.items() if text}
    width = max(map(len, known))
    return "\n".join(f"{name:<{width}}  {text}" for name, text in known.items())


def _when(run: Run) -> str:
    return f"{datetime.fromtimestamp(run.written, tz=timezone.utc):%Y-%m-%d %H:%M}"


def _common_directory(runs: Sequence[Run]) -> Path:
    """The deepest directory that holds all runs, as the user wrote it."""
    if not runs:
        return Path()
    parents = [str(run.directory.parent) for run in runs]
    absolute = {os.path.isabs(parent) for parent in parents}
    return Path(os.path.commonpath(parents)) if len(absolute) == 1 else Path()
