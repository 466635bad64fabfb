"""Results that others published for the shipped suites, to compare a run with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
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
        run_method: the method of this package that it is a result of; None where there is none.
        options: the options of that method it was obtained with.
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
    run_method: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


def published_results() -> tuple[PublishedResult, ...]:
    """Every figure there is, in the order of the tables."""
    content: Any = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
    return tuple(result for table in content["tables"] for result in _results(table, content))


def _results(table: Mapping[str, Any], content: Mapping[str, Any]) -> Iterator[PublishedResult]:
    columns = [(backbone, suite) for backbone in content["backbones"] for suite in table["suites"]]
    for method, figures in table["rows"].items():
        ours = content["methods"][table["setting"]].get(method, {})
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
                hyper_parameters=content["hyper_parameters"].get(method) if table["setting"] == "continual" else None,
                run_method=ours.get("method"),
                options={
                    key: value.get(suite) if isinstance(value, Mapping) else value
                    for key, value in ours.items()
                    if key != "method"
                },
            )
