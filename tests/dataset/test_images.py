"""Columns, images and labels in the forms data sets bring them."""

import io

import numpy as np
import pytest
import torch
from clip_files import make_images
from PIL import Image

from fusion_bench.dataset.images import LabelledImages, class_index, find_column, to_rgb

ORIGIN = "data set 'x' (test)"


def as_array(image):
    return np.asarray(image)


@pytest.mark.parametrize(
    ("image_column", "label_column"), [("image", "label"), ("img", "fine_label"), ("jpg", "cls"), ("png", "labels")]
)
def test_finds_the_usual_columns(image_column, label_column):
    rows = [{"id": 0, image_column: make_images(1)[0], label_column: 3, "coarse_label": 9}]
    image, label = LabelledImages.of(rows, origin=ORIGIN)[0]
    assert label == 3
    assert image.mode == "RGB"


def test_given_columns_win_and_missing_ones_are_named():
    rows = [{"image": None, "picture": make_images(1)[0], "label": 1, "kind": 2}]
    images = LabelledImages.of(rows, origin=ORIGIN, image_column="picture", label_column="kind")
    assert images[0][1] == 2
    with pytest.raises(
        KeyError, match=r"'x' \(test\) has no label column 'species'; it has .*'kind'.*Give label_column"
    ):
        LabelledImages.of(rows, origin=ORIGIN, label_column="species")
    with pytest.raises(KeyError, match=r"has no image column image, img, jpg.*it has \['a'\]"):
        find_column(["a"], None, ("image", "img", "jpg"), "image", ORIGIN)


def test_pairs_need_no_columns():
    image = make_images(1)[0]
    images = LabelledImages.of([(image, True)], origin=ORIGIN)
    assert len(images) == 1
    assert images[0][1] == 1


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "1", "I;16"])
def test_every_mode_becomes_rgb(mode):
    assert to_rgb(Image.new(mode, (4, 5))).mode == "RGB"


def test_images_as_arrays_bytes_paths_and_tensors(tmp_path):
    image = make_images(1)[0]
    expected = as_array(image)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    image.save(tmp_path / "a.png")
    forms = [
        image,
        expected,
        expected.tolist(),
        buffer.getvalue(),
        {"bytes": buffer.getvalue(), "path": None},
        {"bytes": None, "path": str(tmp_path / "a.png")},
        str(tmp_path / "a.png"),
        tmp_path / "a.png",
        torch.from_numpy(expected.copy()).permute(2, 0, 1),
    ]
    for form in forms:
        assert np.array_equal(as_array(to_rgb(form)), expected)
    ready = torch.rand(3, 4, 4)
    assert to_rgb(ready) is ready
    with pytest.raises(TypeError, match="an image is a float"):
        to_rgb(1.5)


def test_labels():
    names = ("cat", "hot dog", "7")
    assert class_index(True, None, "row") == 1
    assert class_index(np.int64(2), names, "row") == 2
    assert class_index("hot dog", names, "row") == class_index("hot_dog", names, "row") == 1
    assert class_index("7", names, "row") == 2
    assert class_index("0", names, "row") == 0
    with pytest.raises(ValueError, match="row 3: the label 'bird' is none of the 3 class names"):
        class_index("bird", names, "row 3")
    for label in (3, -1):
        with pytest.raises(ValueError, match=rf"row 3: the label {label} is outside 0\.\.2"):
            class_index(label, names, "row 3")


def test_what_is_no_data_set():
    with pytest.raises(ValueError, match=r"has the splits \['train', 'test'\]; name one"):
        LabelledImages.of({"train": [], "test": []}, origin=ORIGIN)
    with pytest.raises(ValueError, match="has no images"):
        LabelledImages.of([], origin=ORIGIN)
    with pytest.raises(TypeError, match="is a generator, which has no length"):
        LabelledImages.of((row for row in []), origin=ORIGIN)
