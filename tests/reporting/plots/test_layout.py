"""What holds for every figure: nothing is cut off, nothing is too small, names of users are only names."""

import subprocess
import sys
from functools import cache

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from .samples import TASKS_20, every_figure

FIGURES = {count: every_figure(TASKS_20[:count]) for count in (2, 20)}
every = pytest.mark.parametrize(
    ("count", "name"), [(count, name) for count, figures in FIGURES.items() for name in figures]
)


def texts(figure):
    """Every text that is drawn."""
    beyond = [label for axes in figure.axes for axis in axes._axis_map.values() for label in labels_beyond(axis)]
    return [
        text
        for text in figure.findobj(Text)
        if text.get_text().strip()
        and text.get_visible()
        and (text.axes is None or text.axes.get_visible())
        and not any(text is label for label in beyond)
    ]


def labels_beyond(axis):
    """The labels of ticks outside what is shown, which are never drawn."""
    low, high = sorted(axis.get_view_interval())
    slack = 1e-6 * (high - low)
    ticks = [*axis.get_major_ticks(), *axis.get_minor_ticks()]
    outside = [tick for tick in ticks if not low - slack <= tick.get_loc() <= high + slack]
    return [label for tick in outside for label in (tick.label1, tick.label2)]


@cache
def drawn(count, name):
    """A figure that was laid out, and what it was drawn with."""
    figure = FIGURES[count][name]
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return figure, canvas.get_renderer()


@every
def test_no_text_is_cut_off(count, name):
    figure, renderer = drawn(count, name)
    for text in texts(figure):
        box = text.get_window_extent(renderer)
        assert box.x0 >= -1, text
        assert box.y0 >= -1, text
        assert box.x1 <= figure.bbox.x1 + 1, text
        assert box.y1 <= figure.bbox.y1 + 1, text


@every
def test_names_along_an_axis_do_not_overlap(count, name):
    figure, renderer = drawn(count, name)
    for axes in figure.axes:
        if axes.name == "polar" or not axes.get_visible():
            continue
        for axis in (axes.xaxis, axes.yaxis):
            beyond = labels_beyond(axis)
            written = [
                label
                for label in axis.get_ticklabels()
                if label.get_text() and label.get_rotation() in (0, 90) and not any(label is other for other in beyond)
            ]
            boxes = [label.get_window_extent(renderer) for label in written]
            for place, box in enumerate(boxes):
                assert not any(box.overlaps(other.padded(-1.5)) for other in boxes[place + 1 :]), (name, written[place])


@every
def test_type_is_large_enough_for_print(count, name):
    assert min(text.get_fontsize() for text in texts(FIGURES[count][name])) >= 5


@pytest.mark.parametrize(
    "name", ["steps", "tasks", "forgetting", "radar", "lambda", "norms", "ranks", "spectra", "orders"]
)
def test_a_figure_fits_one_column(name):
    assert FIGURES[20][name].get_size_inches()[0] <= 3.4


def test_plots_work_without_the_state_of_pyplot():
    code = "import sys, fusion_bench.reporting.plots.comparison; assert 'matplotlib.pyplot' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
