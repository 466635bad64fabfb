"""What each figure draws."""

import math

import numpy as np
import pytest

from fusion_bench.reporting.plots.accuracy import accuracy_matrix, accuracy_over_steps, task_accuracy_over_steps
from fusion_bench.reporting.plots.spread import alpha_ablation, order_spread
from fusion_bench.reporting.plots.style import COLOURS, RAMP, looks
from fusion_bench.reporting.plots.tasks import forgetting_per_task, radar
from fusion_bench.reporting.plots.trace import lambda_over_steps, split_ranks, task_vector_norms
from fusion_bench.reporting.plots.vectors import cosine_similarity, singular_value_spectra

NAN = math.nan


def same(drawn, expected):
    np.testing.assert_allclose(np.asarray(drawn, dtype=float), expected, atol=1e-9)


def lines(axes):
    """What the lines of a plot go through, by their number."""
    return [np.array(line.get_xydata()) for line in axes.lines]


def legend_names(figure):
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


def cells(axes):
    (mesh,) = axes.collections
    return np.ma.filled(mesh.get_array().astype(float), NAN)


def tick_names(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


def test_accuracy_over_steps():
    figure = accuracy_over_steps({"a": [0.5, None, 0.7], "_b": [0.4, 0.4, 0.4]}, {"_b": [None, 0.1, 0.2]})
    (axes,) = figure.axes
    same(lines(axes)[0], [[1, 50], [2, NAN], [3, 70]])
    same(lines(axes)[1], [[1, 40], [2, 40], [3, 40]])
    (band,) = axes.collections
    corners = {tuple(corner) for corner in band.get_paths()[0].vertices.round(9).tolist()}
    assert {(2, 30), (2, 50), (3, 20), (3, 60), (1, 40)} == corners
    assert legend_names(figure) == ["a", "_b"]


def test_a_line_keeps_the_look_it_is_given():
    figure = accuracy_over_steps({"b": [0.5, 0.6]}, styles=looks(["a", "b"]))
    assert figure.axes[0].lines[0].get_color() == COLOURS[1]
    assert figure.axes[0].lines[0].get_marker() == "s"


def test_accuracy_matrix():
    figure = accuracy_matrix([[0.9, None], [0.8, 0.7], [0.6, None]], ["x", "y", "z"], ["x", "y"])
    axes = figure.axes[0]
    same(cells(axes), [[90, NAN], [80, 70], [60, NAN]])
    assert [text.get_text() for text in axes.texts] == ["90", "80", "70", "60"]
    assert axes.get_ylim()[0] > axes.get_ylim()[1]  # the first step is on top
    assert tick_names(axes.yaxis) == ["x", "y", "z"]
    assert [(round(p.get_x()), round(p.get_y())) for p in axes.patches] == [(0, 0), (1, 1)]
    assert (axes.collections[0].norm.vmin, axes.collections[0].norm.vmax) == (60, 90)


def test_a_matrix_without_numbers_is_blank():
    axes = accuracy_matrix([[None], [None]], ["x", "y"], ["x"]).axes[0]
    assert np.isnan(cells(axes)).all()
    assert not axes.texts


def test_task_accuracy_over_steps():
    figure = task_accuracy_over_steps([[0.9, None], [0.8, 0.7]], ["x", "y"], ["x", "y"])
    first, second = figure.axes
    assert [axes.get_title() for axes in (first, second)] == ["x", "y"]
    same(lines(first)[2], [[1, 90], [2, 80]])
    same(lines(first)[3], [[1, 90]])
    same(lines(second)[3], [[2, 70]])


def test_forgetting_per_task():
    figure = forgetting_per_task({"a": {"x": 0.1, "y": None}, "b": {"x": -0.02}}, {"a": {"x": 0.01, "y": None}})
    (axes,) = figure.axes
    same(lines(axes)[0][:, 0], [10, NAN])
    same(lines(axes)[1][:, 0], [-2, NAN])
    assert tick_names(axes.yaxis) == ["x", "y"]
    bars = axes.collections[0].get_segments()
    same(bars[0][:, 0], [9, 11])


def test_radar():
    figure = radar({"a": {"x": 0.5, "y": None, "z": 0.9}}, {"best": {"x": 1.0, "y": 1.0, "z": 1.0}})
    (axes,) = figure.axes
    around = [0, 2 * math.pi / 3, 4 * math.pi / 3, 0]
    same(lines(axes)[0], np.transpose([around, [50, NAN, 90, 50]]))
    same(lines(axes)[1], np.transpose([around, [100] * 4]))
    assert tick_names(axes.xaxis) == ["x", "y", "z"]
    assert axes.get_ylim() == (0, 100)
    assert legend_names(figure) == ["a", "best"]


def test_lambda_over_steps():
    figure = lambda_over_steps({"a": [1.0, 1.4, None]}, {"a": [0.0, 0.1, None]})
    (axes,) = figure.axes
    reference, line = lines(axes)
    same(reference, [[1, 1], [3, math.sqrt(3)]])
    same(line, [[1, 1], [2, 1.4], [3, NAN]])
    places = axes.transData.transform([(1, 1), (2, math.sqrt(2)), (3, math.sqrt(3))])
    slopes = np.diff(places[:, 1]) / np.diff(places[:, 0])
    assert slopes[0] == pytest.approx(slopes[1])  # √t is straight
    assert legend_names(figure) == ["a", "√t"]


def test_task_vector_norms():
    figure = task_vector_norms(["x", "y"], [2.0, 3.0], [2.0, 2.5], None)
    (axes,) = figure.axes
    same(lines(axes)[0], [[2, 0], [3, 1]])
    same(lines(axes)[1], [[2, 0], [2.5, 1]])
    assert legend_names(figure) == ["arriving task vector", "mean so far"]
    assert axes.get_xlim()[0] == 0


def test_split_ranks():
    ranks = {
        "layers.0.q.weight": [None, 3],
        "layers.1.q.weight": [None, 5],
        "layers.0.fc.weight": [None, 9],
        "head.weight": [None, 0],
    }
    figure = split_ranks(ranks)
    panels = {axes.get_title(): axes for axes in figure.axes if axes.get_title() or tick_names(axes.yaxis) == ["head"]}
    same(cells(panels["q"]), [[NAN, 3], [NAN, 5]])
    same(cells(panels["fc"]), [[NAN, 9]])
    same(cells(panels[""]), [[NAN, 0]])
    assert {axes.collections[0].norm.vmax for axes in panels.values()} == {9}  # one scale for all


def test_singular_value_spectra():
    figure = singular_value_spectra({"net.1.weight": {"x": [4.0, 2.0, 0.0]}, "net.2.weight": {"x": [0.0, 0.0]}})
    first, second = figure.axes
    same(lines(first)[0], [[1, 1], [2, 0.5], [3, NAN]])  # a zero has no place on the logarithmic axis
    same(lines(second)[0], [[1, NAN], [2, NAN]])
    assert [axes.get_title() for axes in (first, second)] == ["1", "2"]
    assert first.get_yscale() == "log"


def test_many_spectra_are_a_ramp():
    axes = singular_value_spectra({"w": {str(task): [2.0, 1.0] for task in range(9)}}, normalise=False).axes[0]
    colours = [line.get_color() for line in axes.lines]
    assert (colours[0], colours[-1]) == (RAMP[0], RAMP[-1])
    assert len(set(colours)) == 9
    same(lines(axes)[0], [[1, 2], [2, 1]])


def test_cosine_similarity():
    axes = cosine_similarity(["x", "y", "z"], [[1.0, -0.001, 0.32], [-0.001, 1.0, None], [0.32, None, None]]).axes[0]
    same(cells(axes), [[NAN, -0.001, 0.32], [-0.001, NAN, NAN], [0.32, NAN, NAN]])
    assert [text.get_text() for text in axes.texts] == [".00", ".32", ".00", ".32"]
    assert (axes.collections[0].norm.vmin, axes.collections[0].norm.vmax) == pytest.approx((-0.01, 0.32))


def test_order_spread():
    figure = order_spread({"a": [0.5, 0.6, None], "b": [0.7], "c": []})
    (axes,) = figure.axes
    same(np.sort(lines(axes)[0][:, 0]), [50, 60])
    numbers = [text.get_text() for text in axes.texts]
    assert numbers == ["55.0 ± 7.1", "70.0"]
    assert tick_names(axes.yaxis) == ["a", "b", "c"]


def test_equal_results_have_no_deviation():
    axes = order_spread({"a": [0.1, 0.1, 0.1]}).axes[0]
    assert [text.get_text() for text in axes.texts] == ["10.0 ± 0.0"]


def test_alpha_ablation():
    figure = alpha_ablation({"ACC": {"a": {1.0: [0.5], 0.0: [0.3, 0.5, None], 0.5: []}}})
    (axes,) = figure.axes
    mean = next(line for line in lines(axes) if len(line) == 3 and line[0][0] == 0 and line[-1][0] == 1)
    same(mean, [[0, 40], [0.5, NAN], [1, 50]])
    assert axes.get_xlabel() == "α"
