"""Batches of inputs from the training data of several models."""

import pytest
import torch
from torch.utils.data import TensorDataset

from fusion_bench.modelpool import BaseModelPool

FIRST, SECOND = torch.arange(6.0).view(6, 1), torch.arange(10.0, 14.0).view(4, 1)


def batches(datasets, names=("a", "b"), **options):
    pool = BaseModelPool({}, train_datasets=datasets)
    generator = torch.Generator().manual_seed(0)
    return list(pool.input_batches(names, **{"batch_size": 4, "limit": None, "generator": generator} | options))


def values(found):
    return sorted(int(value) for batch in found for value in batch.flatten())


def test_every_item_of_all_data_sets_comes_once_in_mixed_batches():
    found = batches({"a": FIRST, "b": TensorDataset(SECOND, torch.zeros(4))})
    assert [len(batch) for batch in found] == [4, 4, 2]
    assert values(found) == [0, 1, 2, 3, 4, 5, 10, 11, 12, 13]
    assert {int(value) >= 10 for value in found[0].flatten()} == {True, False}


def test_a_data_set_that_is_shared_counts_once():
    assert values(batches({"a": FIRST, "b": FIRST})) == [0, 1, 2, 3, 4, 5]


def test_the_number_of_items_can_be_bounded():
    assert sum(map(len, batches({"a": FIRST, "b": SECOND}, limit=3))) == 3


def test_items_with_pixel_values():
    assert values(batches({"a": [{"pixel_values": FIRST[0]}]}, names=["a"])) == [0]


def test_wrong_items_and_missing_data():
    with pytest.raises(TypeError, match=r"training data of 'a' must be a tensor, .* got str"):
        batches({"a": ["image"]}, names=["a"])
    with pytest.raises(KeyError, match="no train data set 'b'"):
        batches({"a": FIRST})
    with pytest.raises(ValueError, match=r"the training data of \['a'\] holds nothing"):
        batches({"a": []}, names=["a"])
