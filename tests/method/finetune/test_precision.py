"""Which precision a run has, and when its loss is scaled."""

import pytest
import torch

from fusion_bench.method.finetune.precision import has_vanished, make_scaler, precision_of
from fusion_bench.runtime import Runtime


@pytest.mark.parametrize(("dtype", "scales"), [(None, False), (torch.bfloat16, False), (torch.float16, True)])
def test_only_float16_is_scaled(dtype, scales):
    runtime = Runtime() if dtype is None else Runtime(autocast=lambda: torch.autocast("cpu", dtype=dtype))
    assert precision_of(runtime) == str(dtype or torch.float32).removeprefix("torch.")
    scaler = make_scaler(runtime)
    assert scaler.is_enabled() == scales
    assert not has_vanished(scaler)
    assert float(scaler.scale(torch.tensor(1.0))) == (2.0**16 if scales else 1.0)


def test_a_scale_can_vanish():
    assert has_vanished(torch.amp.GradScaler("cpu", init_scale=2.0**-25))
    assert not has_vanished(torch.amp.GradScaler("cpu", init_scale=2.0**-24))
