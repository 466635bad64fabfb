"""MuDSCAlign gives the published merged model."""

import pytest
from mudsc_pools import assert_published, oracle_pool

from fusion_bench.method.mudsc import MuDSCAlign


@pytest.mark.parametrize(
    ("options", "run"), [({}, "_act_iws_fs_useperm@0.5"), ({"alpha": 0.2}, "_act_iws_fs_useperm@0.2")]
)
def test_published_model(options, run):
    merged = MuDSCAlign(faithful=True, statistics="none", images=None, **options).run(oracle_pool())
    assert_published(merged, "mlp", run)
