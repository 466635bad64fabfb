"""MuDSC gives the published merged model."""

import pytest
from mudsc_pools import assert_published, oracle_pool

from fusion_bench.method.mudsc import MuDSC


@pytest.mark.parametrize(
    ("options", "run"),
    [({"matcher": "align"}, "_act_iws_fs_useperm@0.5"), ({"alpha": 1.0}, "W@0.5"), ({"matcher": "none"}, "_avg@0.5")],
)
def test_published_model(options, run):
    merged = MuDSC(faithful=True, statistics="none", images=None, **options).run(oracle_pool())
    assert_published(merged, "mlp", run)
