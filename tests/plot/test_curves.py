"""Training curves."""

from __future__ import annotations

import numpy as np
import pytest

import cnn
from cnn.training.history import History

from .cases import HISTORY, texts

pytest.importorskip("matplotlib")
pytest.importorskip("matplotlib.style")
plot = cnn.plot
pytestmark = pytest.mark.usefixtures("one_thread")


def test_the_curves_are_those_of_the_history():
    loss, error = plot.training_curves(HISTORY).axes
    for axes, training, validation in ((loss, HISTORY.loss, HISTORY.val_loss), (error, [20, 5, 1], [10, 7, 6])):
        lines = {line.get_label(): line for line in axes.lines}
        assert list(lines) == ["training", "validation"]
        assert list(lines["training"].get_xdata()) == [1, 2, 3]
        assert np.allclose(lines["training"].get_ydata(), training)
        assert np.allclose(lines["validation"].get_ydata(), validation)
        assert axes.get_yscale() == "log"


@pytest.mark.parametrize("epochs", [1, 2, 60])
@pytest.mark.parametrize("least", [1e-9, 0.0007, 0.008, 0.3])
@pytest.mark.parametrize("validated", [True, False])
def test_ticks_of_the_curves_cover_the_data_and_a_log_scale_says_so(epochs, least, validated):
    falling = np.geomspace(0.9, least, epochs).tolist()
    right = [1 - error for error in falling]
    history = History(falling, right, falling[-1:] * validated, right[-1:] * validated, [1.0] * epochs, [9.0] * epochs)
    for axes in plot.training_curves(history).axes:
        ticks = axes.get_yticks()
        shown = [value for line in axes.lines for value in line.get_ydata()]
        assert ticks[0] <= min(shown) <= max(shown) <= ticks[-1]
        assert 2 <= len(ticks) <= 10
        assert len({label.get_text() for label in axes.get_yticklabels()}) == len(ticks)
        is_log = max(shown) > 3 * min(shown)
        assert (axes.get_yscale(), axes.get_ylabel()) == (("log", "log scale") if is_log else ("linear", ""))


def test_the_key_of_the_curves_lies_above_their_panels():
    figure = plot.training_curves(HISTORY)
    figure.draw_without_rendering()
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["training", "validation"]
    headings = [text.get_window_extent() for axes in figure.axes for text in axes.texts]
    assert not any(legend.get_window_extent().overlaps(box) for box in headings)
    assert legend.get_window_extent().y0 > max(box.y1 for box in headings)


def test_the_headings_of_the_curves_have_the_last_figures():
    assert texts(plot.training_curves(HISTORY)) == ["loss", "0.19 in validation", "error", "6% in validation"]


@pytest.mark.parametrize("error", [0, 1.23e-7, 1.23e-6, 1.23e-4, 0.123456])
def test_headings_of_the_curves_end_within_the_picture(error):
    right = [0.9, 1 - error]
    figure = plot.training_curves(History([0.5, error], right, [0.5, error], right, [1.0] * 2, [9.0] * 2))
    assert figure.get_tightbbox().x1 <= figure.get_size_inches()[0]


def test_curves_without_validation_have_one_line_and_no_legend():
    figure = plot.training_curves(HISTORY._replace(val_loss=[], val_accuracy=[]))
    assert [len(axes.lines) for axes in figure.axes] == [1, 1]
    assert figure.get_figheight() < plot.training_curves(HISTORY).get_figheight()
    assert figure.legends == []
    assert "1% in training" in texts(figure)


def test_a_validation_that_began_late_stands_at_the_last_epochs():
    figure = plot.training_curves(HISTORY._replace(val_loss=[0.2, 0.19], val_accuracy=[0.93, 0.94]))
    for axes in figure.axes:
        training, validation = axes.lines
        assert list(training.get_xdata()) == [1, 2, 3]
        assert list(validation.get_xdata()) == [2, 3]


@pytest.mark.parametrize("epochs", [1, 30, 31])
def test_single_epochs_are_marked_unless_they_are_many(epochs):
    figures = [0.5] * epochs
    for axes in plot.training_curves(History(figures, figures, figures, figures, [1.0] * epochs, [9.0] * epochs)).axes:
        assert [line.get_marker() for line in axes.lines] == ["o" if epochs <= 30 else ""] * 2


def test_an_error_of_zero_is_on_a_linear_scale(tmp_path):
    history = History([0.5, 0.01], [0.9, 1.0], [], [], [1.0, 1.0], [9.0, 9.0])
    loss, error = plot.training_curves(history, tmp_path / "curves.png").axes
    assert loss.get_yscale() == "log"
    assert error.get_yscale() == "linear"
    assert error.get_ylim()[0] == 0


def test_errors_that_are_all_zero_have_a_scale_from_zero_to_one():
    error = plot.training_curves(History([0.5] * 2, [1.0] * 2, [], [], [1.0] * 2, [9.0] * 2)).axes[1]
    assert error.get_ylim() == (0, 1)


def test_a_history_without_an_epoch_is_refused():
    with pytest.raises(ValueError, match="history must hold at least one epoch"):
        plot.training_curves(History([], [], [], [], [], []))
    with pytest.raises(TypeError, match="history must be what fit returned, a History, got None"):
        plot.training_curves(None)


def test_figures_that_are_not_finite_are_no_hindrance(tmp_path):
    history = History([np.inf, 0.5, np.nan], [0.5, 0.9, 0.9], [], [], [1.0] * 3, [9.0] * 3)
    assert plot.training_curves(history, tmp_path / "curves.png").axes[0].get_ylim() == (0, 0.5)


def test_of_a_net_for_values_there_is_the_panel_of_the_loss_alone(tmp_path):
    figure = plot.training_curves(HISTORY._replace(accuracy=[], val_accuracy=[]), tmp_path / "curves.png")
    assert [list(line.get_ydata()) for line in figure.axes[0].lines] == [HISTORY.loss, HISTORY.val_loss]
    assert len(figure.axes) == 1
