"""Tasks spread over Ray actors give the numbers of one process."""

import pytest
import torch
from clip_files import make_clip, make_rows

from fusion_bench.taskpool.clip_vision import CLIPVisionModelTaskPool

ROWS = {"mnist": make_rows(11, 10, 0), "digits": make_rows(5, 10, 1), "tiny8/letters": make_rows(6, 26, 2)}


@pytest.mark.slow
def test_actors_give_the_numbers_of_one_process(tiny_clip_dir):
    ray = pytest.importorskip("ray")
    models = {f"model {seed}": make_clip(seed).vision_model for seed in (1, 2)}
    settings = {"base_model": str(tiny_clip_dir), "dataloader_kwargs": {"batch_size": 4}}
    alone = CLIPVisionModelTaskPool(ROWS, **settings)
    spread = CLIPVisionModelTaskPool(ROWS, **settings, num_ray_actors=2)
    try:
        for name, report in spread.evaluate_many(models).items():
            expected = alone.evaluate(models[name], name)
            for task in ROWS:
                assert report[task]["accuracy"] == expected[task]["accuracy"]
                assert report[task]["loss"] == pytest.approx(expected[task]["loss"], rel=1e-6)
        actors = spread._actors._handles
        for pool in (alone, spread):
            pool.setup(autocast=lambda: torch.autocast("cpu", dtype=torch.bfloat16))
        low = [pool.evaluate(models["model 1"], tasks=["digits"])["digits"]["loss"] for pool in (alone, spread)]
        assert low[0] == pytest.approx(low[1], rel=1e-4)
        assert low[0] != pytest.approx(report["digits"]["loss"], rel=1e-6)
        assert spread._actors._handles is actors  # kept, with what they prepared
        with pytest.raises(ValueError, match="another backbone"):
            spread.evaluate(make_clip(1, hidden=64).vision_model)
    finally:
        ray.shutdown()
