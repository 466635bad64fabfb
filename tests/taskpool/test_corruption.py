"""Scores on corrupted images: which images are seen, and what does not change them."""

import numpy as np
import pytest
import torch
from clip_files import make_clip, make_rows
from omegaconf import OmegaConf
from PIL import Image

from fusion_bench.cli.request import Request
from fusion_bench.dataset.corruptions.registry import corrupt, generator_of_image
from fusion_bench.taskpool.clip_vision import CLIPVisionModelTaskPool
from fusion_bench.utils.configurable import build

ROWS = make_rows(7, 10)


@pytest.fixture
def make_pool(tiny_clip_dir):
    def make(rows=ROWS, **settings):
        return CLIPVisionModelTaskPool({"digits": {"dataset": rows}}, base_model=str(tiny_clip_dir), **settings)

    return make


def corrupted_rows(name, severity, seed):
    pictures = [
        corrupt(name, np.asarray(row["image"].convert("RGB")), severity, generator_of_image(seed, name, index))
        for index, row in enumerate(ROWS)
    ]
    return [{**row, "image": Image.fromarray(picture)} for row, picture in zip(ROWS, pictures, strict=True)]


def loss(pool):
    return pool.evaluate(make_clip(1).vision_model)["digits"]["loss"]


@pytest.mark.parametrize("name", ["gaussian_noise", "spatter"])
def test_equals_images_corrupted_beforehand(make_pool, name):
    pool = make_pool(corruption=name, corruption_severity=4, corruption_seed=3)
    assert loss(pool) == pytest.approx(loss(make_pool(corrupted_rows(name, 4, 3))))
    assert loss(pool) != pytest.approx(loss(make_pool()))


@pytest.mark.parametrize("options", [{"batch_size": 2}, {"num_workers": 1, "batch_size": 3}])
def test_batches_and_processes_make_no_difference(make_pool, options):
    assert loss(make_pool(corruption="impulse_noise", dataloader_kwargs=options)) == pytest.approx(
        loss(make_pool(corruption="impulse_noise"))
    )


def test_training_images_stay_clean(make_pool):
    clean, corrupted = (make_pool(corruption=name).training_images("digits", ROWS) for name in (None, "contrast"))
    assert torch.equal(clean[0][0], corrupted[0][0])


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"corruption": "gausian_noise"}, KeyError, "no corruption 'gausian_noise'.*did you mean 'gaussian_noise'"),
        ({"corruption": "contrast", "corruption_severity": 9}, ValueError, "integer from 1 to 5, got 9"),
        ({"corruption": "contrast", "corruption_seed": None}, ValueError, "integer of at least 0, got None"),
    ],
)
def test_mistakes_are_found_before_anything_is_loaded(make_pool, settings, error, message):
    with pytest.raises(error, match=message):
        make_pool(**settings)


def test_from_the_command_line():
    pool = "taskpool=CLIPVisionModelTaskPool/clip-vit-classification_tiny8"
    config = Request().compose([pool, "taskpool.corruption=contrast", "path.log_dir=x"])
    assert (config.taskpool.corruption, config.taskpool.corruption_severity) == ("contrast", 5)
    assert build(OmegaConf.create({**config.taskpool, "cache_dir": None})).config_dict()["corruption"] == "contrast"
