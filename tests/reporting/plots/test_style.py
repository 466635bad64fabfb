"""Colours, names and legends."""

import itertools

import pytest

from fusion_bench.reporting.plots.files import DARK
from fusion_bench.reporting.plots.style import (
    COLOURS,
    DARK_RAMP,
    RAMP,
    floats,
    legend_columns,
    looks,
    shown,
)


def luminance(colour):
    """Relative luminance after WCAG 2, in 0..1."""
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    low, high = sorted([luminance(one), luminance(other)])
    return (high + 0.05) / (low + 0.05)


def test_series_are_told_apart_in_grey():
    found = list(looks([str(number) for number in range(385)]).values())
    assert len({(look.colour, look.marker, str(look.dashes)) for look in found}) == 385
    for one, other in itertools.combinations(found[:11], 2):
        assert one.marker != other.marker
    for one, other in itertools.pairwise(found):
        assert str(one.dashes) != str(other.dashes)


@pytest.mark.parametrize("colour", COLOURS)
def test_lines_stand_out_on_paper_and_on_dark_pages(colour):
    assert contrast(colour, "#ffffff") >= 2
    assert contrast(DARK[colour], "#16181c") >= 3


@pytest.mark.parametrize("ramp", [RAMP, DARK_RAMP])
def test_the_ramp_is_ordered_in_grey(ramp):
    values = [luminance(colour) for colour in ramp]
    assert values == sorted(values)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("mnist", "mnist"),
        ("two\nlines", "two lines"),
        ("$a$", r"\$a\$"),
        ("a_name_of_more_than_twenty_six_letters", "a_name_of_more_t…x_letters"),
    ],
)
def test_names(name, text):
    assert shown(name) == text
    assert len(shown(name).replace("\\", "")) <= 26


def test_nothing_is_a_gap():
    assert floats([0.5, None], 100)[0] == 50
    assert floats([None])[0] != floats([None])[0]  # NaN


@pytest.mark.parametrize(("names", "columns"), [(["a"] * 4, 4), (["a" * 26] * 4, 1), (["a" * 12] * 5, 3)])
def test_legends_fit(names, columns):
    assert legend_columns(names, 3.35) == columns
