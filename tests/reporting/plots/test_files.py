"""Figures in files."""

import pytest

from fusion_bench.reporting.plots.accuracy import accuracy_over_steps
from fusion_bench.reporting.plots.files import in_dark, save_figure, svg_text
from fusion_bench.reporting.plots.style import COLOURS, GRID, INK, MUTED, PAPER

LINES = {"first --> <script>alert(1)</script>": [0.5, None, 0.25], "second": [0.5, 0.5, 0.5]}


def figure():
    return accuracy_over_steps(LINES, {"second": [0.1, 0.1, 0.1]})


def test_the_same_figure_is_the_same_bytes(tmp_path):
    first = save_figure(figure(), tmp_path / "a.b")
    assert [path.name for path in first] == ["a.b.png", "a.b.pdf"]
    second = save_figure(figure(), tmp_path / "again")
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.b.pdf", "a.b.png", "again.pdf", "again.png"]


def test_pdf_has_no_type_3_fonts_and_no_date(tmp_path):
    content = save_figure(figure(), tmp_path / "a")[1].read_bytes()
    assert content.startswith(b"%PDF")
    assert b"/Type3" not in content
    assert b"/CIDFontType2" in content
    assert b"CreationDate" not in content


def test_png_is_sharp_enough_for_print(tmp_path):
    image = pytest.importorskip("PIL.Image").open(save_figure(figure(), tmp_path / "a")[0])
    assert image.width == pytest.approx(3.35 * 300, abs=1)


def test_svg_is_transparent_and_says_nothing_of_names_or_dates():
    text = svg_text(figure())
    assert text == svg_text(figure())
    assert "script" not in text
    assert "<!--" not in text
    assert "metadata" not in text
    assert "#ffffff" not in text


def test_on_a_dark_page_every_colour_is_another():
    light, dark = svg_text(figure()), in_dark(svg_text(figure()))
    assert light != dark
    for colour in (*COLOURS[:2], INK, MUTED, GRID, PAPER):
        assert colour in light
        assert colour not in dark
