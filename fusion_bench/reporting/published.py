"""Results that others published for the shipped suites, to compare a run with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

_FILE = Path(__file__).with_name("published.yaml")


@dataclass(frozen=True, kw_only=True)
class PublishedResult:
    """One figure of a published table, in percent.

    Args:
        method: its name in the table.
        backbone: such as ``clip-vit-base-patch32``.
        suite: ``TA8``, ``TALL14`` or ``TALL20``.
        setting: ``continual``, one model at a time, or ``all at once``.
        metric: ``average accuracy`` or ``backward transfer``.
        mean: the figure; over task orders where there is a standard deviation.
        std: standard deviation over task orders; None where none was given.
        source: where it was published.
        hyper_parameters: those it was obtained with; None where not given.
    """

    method: str
    backbone: str
    suite: str
    setting: str
    metric: str
    mean: float
    std: float | None
    source: str
    hyper_parameters: str | None


def published_results() -> tuple[PublishedResult, ...]:
    """Every figure there is, in the order of the tables."""
    content: Any = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
    return tuple(
        result
        for table in content["tables"]
        for result in _results(table, content["backbones"], content["hyper_parameters"])
    )


def _results(
    table: Mapping[str, Any], backbones: list[str], hyper_parameters: Mapping[str, str]
) -> Iterator[PublishedResult]:
    columns = [(backbone, suite) for backbone in backbones for suite in table["suites"]]
    for method, figures in table["rows"].items():
        for (backbone, suite), figure in zip(columns, figures, strict=True):
            if figure is None:
                continue
            mean, _, std = str(figure).partition("±")
            yield PublishedResult(
                method=method,
                backbone=backbone,
                suite=suite,
                setting=table["setting"],
                metric=table["metric"],
                mean=float(mean),
                std=float(std) if std else None,
                source=table["source"],
                hyper_parameters=hyper_parameters.get(method) if table["setting"] == "continual" else None,
            )
