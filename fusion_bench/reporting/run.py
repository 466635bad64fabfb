"""A finished run as a value: what it was, what it scored, and by which names it is grouped with others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import fusion_bench
from fusion_bench.report import ContinualReport, EvalReport
from fusion_bench.reporting.suite import Backbone, Suite, backbone_of, suite_of

_PACKAGE = "fusion_bench.method."
_METHODS = Path(fusion_bench.__file__).parent / "method"
# Options of a method that decide what is written and scored, how it is computed, or which replicate this is.
BOOKKEEPING = (
    *("seed", "order", "shuffle_order", "save_on_every_step", "evaluate_on_every_step", "evaluate"),
    *("offload_dir", "num_ray_actors", "ray_address"),
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Run:
    """The files of a finished run, read.

    Args:
        directory: where they are.
        config: ``config.yaml``: the whole configuration, resolved.
        overrides: what was typed on the command line.
        report: ``program_report.json``: scores of the final model.
        continual: the accuracy matrix; None for a method that merges all models at once.
        trace: what the method reported about each step; None where there is no such file.
        provenance: versions, command, hardware and times; None for runs that did not record them.
        written: when the report was written, in seconds since 1970.
    """

    directory: Path
    config: Mapping[str, Any]
    report: EvalReport
    overrides: tuple[str, ...] = ()
    continual: ContinualReport | None = None
    trace: tuple[Mapping[str, Any], ...] | None = None
    provenance: Mapping[str, Any] | None = None
    written: float = 0.0

    @cached_property
    def method(self) -> str:
        """The method as it is chosen on the command line, such as ``opcm/opcm``, else its ``_target_``."""
        return method_name(str(self._method_config.get("_target_", "")), self.overrides)

    @property
    def settings(self) -> dict[str, Any]:
        """Every option of the method."""
        return {key: value for key, value in self._method_config.items() if key != "_target_"}

    @property
    def hyper_parameters(self) -> dict[str, Any]:
        """The options of the method that change its result, without those that make it another replicate."""
        return {key: value for key, value in self.settings.items() if key not in BOOKKEEPING}

    @cached_property
    def suite(self) -> Suite:
        """What was scored and merged."""
        return suite_of(self.config, self.report.scores, self.report.fingerprints)

    @cached_property
    def backbone(self) -> Backbone:
        """The pretrained model."""
        return backbone_of(self.config, self.report.fingerprints)

    @property
    def order(self) -> tuple[str, ...] | None:
        """Names of the models in the order they were merged; None for a method without an order."""
        return self.continual.order if self.continual is not None else None

    @property
    def seed(self) -> int | None:
        """The seed of the method, else that of the run."""
        seed = self.settings.get("seed")
        return seed if seed is not None else self.config.get("seed")

    @property
    def sessions(self) -> list[Mapping[str, Any]]:
        """A record for each time that the run was started or resumed."""
        return list((self.provenance or {}).get("sessions") or [])

    @property
    def seconds(self) -> dict[str, float]:
        """Seconds by phase, all sessions together; empty where they were not recorded."""
        total: dict[str, float] = {}
        for session in self.sessions:
            for phase, seconds in (session.get("seconds") or {}).items():
                total[phase] = total.get(phase, 0.0) + seconds
        return total

    @property
    def _method_config(self) -> Mapping[str, Any]:
        method = self.config.get("method")
        return method if isinstance(method, Mapping) else {}


def method_name(target: str, overrides: tuple[str, ...] = ()) -> str:
    """``opcm/opcm`` for ``fusion_bench.method.opcm.opcm.OPCM``; for others what was chosen, else the dotted path.

    A method of this package has one name however it was chosen. A dotted path that leaves out the file stays as it is:
    it would be the same for every method of a family.
    """
    if target.startswith(_PACKAGE):
        module = target.removeprefix(_PACKAGE).rpartition(".")[0].replace(".", "/")
        if module and (_METHODS / f"{module}.py").is_file():
            return module
    chosen = [override.partition("=")[2] for override in overrides if override.startswith("method=")]
    return chosen[-1] if chosen else target
