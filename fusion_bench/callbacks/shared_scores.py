"""Scores that several orders of a method have in common: those of the same merged models on the same tasks."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from fusion_bench.report import EvalReport
from fusion_bench.utils.files import atomic_new_file, read_json


@dataclass
class SharedScores:
    """Reports of merged models by what was merged: a sequence of models, or for an order-free method a set of them.

    A report is kept in a file of its own, so that threads, processes and a run that goes on later find it. The first
    one that is kept stays: everybody has the same numbers, also where rounding makes models differ in their last bits.

    Args:
        order_free: whether the merged model does not depend on the order of the models.
        directory: where the files are; None keeps reports in memory.
    """

    order_free: bool = False
    directory: Path | None = None
    _memory: dict[str, EvalReport] = field(default_factory=dict)
    _turn: threading.RLock = field(default_factory=threading.RLock)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Score one after the other: what this thread is about to score may be found when its turn comes."""
        with self._turn:
            yield

    def find(self, merged: Sequence[str], tasks: Sequence[str]) -> EvalReport | None:
        """The report of the models ``merged``, in this order, on ``tasks``; None if nobody has scored them yet."""
        key = self._key(merged, tasks)
        if key not in self._memory and self.directory is not None and (path := self._path(key)).exists():
            try:
                self._memory[key] = EvalReport.from_dict(read_json(path)["report"])
            except (ValueError, KeyError, TypeError):
                path.unlink(missing_ok=True)  # damaged: to be scored again
        report = self._memory.get(key)
        return report and in_order(report, tasks)

    def keep(self, merged: Sequence[str], tasks: Sequence[str], report: EvalReport) -> EvalReport:
        """Keep a report; gives the one that counts from now on, which somebody else may have kept before."""
        if (earlier := self.find(merged, tasks)) is not None:
            return earlier
        key = self._key(merged, tasks)
        if self.directory is not None:
            names = json.loads(key)
            text = json.dumps({"merged": names[0], "tasks": names[1], "report": report.to_dict()}, indent=2)
            if not atomic_new_file(self._path(key), text + "\n"):
                return self.find(merged, tasks) or report
        self._memory[key] = report
        return report

    def __getstate__(self) -> dict[str, object]:
        """What another process needs: a lock of its own, and no more than the files."""
        return {"order_free": self.order_free, "directory": self.directory}

    def __setstate__(self, state: dict[str, object]) -> None:
        vars(self).update(state, _memory={}, _turn=threading.RLock())

    def _key(self, merged: Sequence[str], tasks: Sequence[str]) -> str:
        return json.dumps([sorted(merged) if self.order_free else list(merged), sorted(tasks)])

    def _path(self, key: str) -> Path:
        return Path(self.directory or ".") / f"{hashlib.sha256(key.encode()).hexdigest()[:24]}.json"


def in_order(report: EvalReport, tasks: Sequence[str]) -> EvalReport:
    """The same report with its tasks in the order of ``tasks``."""
    scores = {task: report.scores[task] for task in tasks}
    return EvalReport(report.model_info, scores, report.fingerprints, report.joint)
