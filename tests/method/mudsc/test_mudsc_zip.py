"""MuDSCZip gives the published merged model."""

import pytest
from mudsc_pools import assert_published, oracle_pool

from fusion_bench.method.mudsc import MuDSCZip


@pytest.mark.parametrize(("options", "run"), [({}, "_act_iws_fs@0.5")])
def test_published_model(options, run):
    merged = MuDSCZip(faithful=True, statistics="none", images=None, **options).run(oracle_pool())
    assert_published(merged, "mlp", run)
