"""The columns of FER2013, from a directory of the same layout."""

import datasets
import pytest
from clip_files import make_rows

from fusion_bench.dataset.fer2013 import load_fer2013

pytestmark = pytest.mark.usefixtures("no_network")


def test_columns_are_found(tmp_path):
    rows = make_rows(4, 7)
    table = [{"jpg": row["image"], "cls": row["label"], "__key__": "s0"} for row in rows]
    features = datasets.Features(
        {"jpg": datasets.Image(), "cls": datasets.Value("int64"), "__key__": datasets.Value("string")}
    )
    datasets.Dataset.from_list(table, features=features).to_parquet(tmp_path / "train.parquet")
    faces = load_fer2013("train", path=tmp_path).with_classnames(list("abcdefg"))
    assert [label for _, label in faces] == [row["label"] for row in rows]
    with pytest.raises(FileNotFoundError, match=r"\(test\): .* holds no data for that split"):
        load_fer2013(path=tmp_path)
