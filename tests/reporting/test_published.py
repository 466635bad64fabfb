"""Published results: a few figures against the tables, and what every figure says of itself."""

import pytest
from suite_table import BACKBONES

from fusion_bench.reporting.published import published_results

RESULTS = published_results()


def figures(**wanted):
    return [result for result in RESULTS if all(getattr(result, key) == value for key, value in wanted.items())]


@pytest.mark.parametrize(
    ("method", "metric", "backbone", "suite", "mean", "std"),
    [
        ("OPCM", "average accuracy", "clip-vit-base-patch32", "TA8", 75.5, 0.5),
        ("OPCM", "average accuracy", "clip-vit-large-patch14", "TALL20", 76.0, 0.2),
        ("Fine-tuned", "average accuracy", "clip-vit-base-patch16", "TALL14", 91.3, None),
        ("C. TIES", "backward transfer", "clip-vit-base-patch32", "TALL14", 1.9, 0.6),
        ("Consensus TA", "backward transfer", "clip-vit-large-patch14", "TALL20", -16.5, 1.5),
        ("RegMean++", "average accuracy", "clip-vit-base-patch16", "TA8", 87.2, None),
    ],
)
def test_figures_of_the_tables(method, metric, backbone, suite, mean, std):
    (result,) = figures(method=method, metric=metric, backbone=backbone, suite=suite)
    assert (result.mean, result.std) == (mean, std)


def test_shape():
    assert len(figures(metric="backward transfer")) == 6 * 9
    assert len(figures(metric="average accuracy", setting="continual")) == 9 * 9
    assert len(figures(setting="all at once")) == 9 * 3 + 3 - 2  # WUDI, ISO-C, ISO-CTS and the ensemble only for B/32
    assert {result.backbone for result in RESULTS} == set(BACKBONES)
    assert {result.suite for result in RESULTS} == {"TA8", "TALL14", "TALL20"}
    assert all(-100 <= result.mean <= 100 and "arXiv" in result.source for result in RESULTS)


def test_what_the_runs_were_configured_with():
    assert {result.hyper_parameters for result in figures(method="OPCM")} == {"alpha 0.5"}
    assert {result.hyper_parameters for result in figures(setting="all at once")} == {None}
