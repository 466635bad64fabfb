"""A share of another split: the same images each time, none twice, the share asked for."""

import datasets
import numpy as np
import pytest
from clip_files import make_rows

from fusion_bench.dataset.held_out import load_held_out
from fusion_bench.dataset.loading import load_image_classification

ROWS = make_rows(20, 3)


@pytest.fixture
def directory(tmp_path):
    features = datasets.Features({"image": datasets.Image(), "label": datasets.Value("int64")})
    datasets.Dataset.from_list(ROWS, features=features).to_parquet(tmp_path / "train.parquet")
    return tmp_path


def positions(images):
    known = [np.asarray(row["image"]).tobytes() for row in ROWS]
    return [known.index(np.asarray(image).tobytes()) for image, _ in images]


def test_the_share_in_order_and_the_same_for_a_seed(directory):
    found = positions(load_held_out(directory, share=0.25))
    assert len(found) == 5
    assert found == sorted(set(found)) != list(range(5))
    assert found == positions(load_held_out(directory, share=0.25))
    assert found != positions(load_held_out(directory, share=0.25, seed=1))
    assert len(load_held_out(directory)) == 2
    assert len(load_held_out(directory, share=0.001)) == 1


def test_each_choice_has_a_fingerprint_of_its_own(directory):
    choices = [load_held_out(directory, share=share, seed=seed) for share, seed in ((0.25, 0), (0.25, 1), (0.5, 0))]
    prints = [images.fingerprint for images in (load_image_classification(directory, split="train"), *choices)]
    assert None not in prints
    assert len(set(prints)) == 4


def test_labels_belong_to_their_images(directory):
    images = load_held_out(directory, share=0.5)
    assert [label for _, label in images] == [ROWS[position]["label"] for position in positions(images)]


@pytest.mark.parametrize("share", [0, 1, -0.1])
def test_range_of_the_share(directory, share):
    with pytest.raises(ValueError, match=r"share must be in \(0, 1\), got"):
        load_held_out(directory, share=share)
