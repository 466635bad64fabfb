"""Which parameters an image gets."""

import numpy as np
import pytest

from fusion_bench.dataset.corruptions.parameters import BySize, to_bytes

TABLE = BySize(small="abcde", medium="fghij", large="klmno")


@pytest.mark.parametrize(
    ("height", "width", "values"), [(1, 1, "abcde"), (48, 500, "abcde"), (49, 60, "fghij"), (500, 128, "fghij"),
                                    (129, 129, "klmno")]
)  # fmt: skip
def test_the_shorter_side_decides(height, width, values):
    image = np.zeros((height, width, 3), np.uint8)
    assert "".join(TABLE.at(severity, image) for severity in range(1, 6)) == values


@pytest.mark.parametrize("severity", [0, 6, -1, 2.0, True, "5", None])
def test_other_severities_are_refused(severity):
    with pytest.raises(ValueError, match=r"severity of a corruption must be an integer from 1 to 5, got"):
        TABLE.at(severity, np.zeros((1, 1, 3), np.uint8))


def test_values_are_clipped_and_cut():
    assert to_bytes(np.array([-1.0, 0.0, 0.9999, 1.0, 7.0])).tolist() == [0, 0, 254, 255, 255]
