"""The confusion matrix."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

import cnn

from .cases import small_net, texts, values

pytest.importorskip("matplotlib")
pytest.importorskip("matplotlib.style")
plot = cnn.plot
pytestmark = pytest.mark.usefixtures("one_thread")


def counts_in(figure):
    """The numbers of the matrix by (row, column)."""
    return {
        (round(text.get_position()[1]), round(text.get_position()[0])): int(text.get_text().replace(",", ""))
        for text in figure.axes[0].texts
        if type(text).__name__ == "Text"  # the others are annotations beside it
    }


def test_the_confusion_matrix_has_the_counts_of_what_is_read_as_what(data):
    images, labels = data
    net = small_net()
    figure = plot.confusion_matrix(net, images, labels)
    expected = Counter(zip(labels.tolist(), net.predict(images).tolist(), strict=True))
    assert counts_in(figure) == expected
    wrong = sum(count for (row, column), count in expected.items() if row != column)
    assert f"{wrong} of 40 wrong" in texts(figure)


def test_the_confusion_matrix_of_predictions_is_that_of_their_net(data):
    images, labels = data
    net = small_net()
    assert counts_in(plot.confusion_matrix(net.predict(images), None, labels)) == counts_in(
        plot.confusion_matrix(net, images, labels)
    )


def test_the_diagonal_has_no_part_in_the_colours_of_the_mistakes():
    predictions, labels = [0] * 1000 + [1, 1, 0], [0] * 1000 + [0, 0, 1]
    image = plot.confusion_matrix(predictions, None, labels).axes[0].images[0]
    assert values(image).tolist() == [[0, 2], [1, 0]]
    assert image.get_clim() == (0, 2)


def test_counts_of_the_commonest_mistakes_are_white_on_their_dark_cells():
    predictions = [1] * 10 + [2] * 7 + [3] * 6 + [0] * 9
    axes = plot.confusion_matrix(predictions, None, [0] * 32).axes[0]
    colors = {text.get_text(): text.get_color() for text in axes.texts if type(text).__name__ == "Text"}
    assert [count for count, color in colors.items() if color == "white"] == ["10", "7"]


def test_recall_stands_behind_the_rows_and_precision_below_the_columns():
    figure = plot.confusion_matrix([0, 0, 0, 1], None, np.eye(3)[[0, 0, 1, 1]])
    none = "\N{EN DASH}"
    assert texts(figure)[3:9] == ["100.0", "50.0", none, "66.7", "100.0", none]


def test_a_class_that_is_only_read_has_its_place_in_the_matrix():
    figure = plot.confusion_matrix([0, 3], None, [0, 1])
    assert counts_in(figure) == {(0, 0): 1, (1, 3): 1}
    assert values(figure.axes[0].images[0]).shape == (4, 4)


@pytest.mark.parametrize(
    ("predictions", "labels", "error", "message"),
    [
        ([0, 1], [0, 1, 1], ValueError, r"net_or_predictions must have shape \(3,\)"),
        ([0, 0.5], [0, 1], ValueError, r"net_or_predictions\[1\] must be a whole number"),
        ([0, 1], [0, 100], ValueError, r"y\[1\] must be a whole number from 0 to 99"),
        ([], [], ValueError, "y must hold at least one label"),
        ([0], 0, ValueError, r"y must have shape \(1,\)"),
        ("net", [0], TypeError, "net_or_predictions must be an array of numbers"),
        ([0, 1], np.ones((2, 101)), ValueError, "must be one-hot"),
        ([0, 1], np.eye(101)[:2], ValueError, "at most 100 classes, got 101"),
    ],
)
def test_labels_that_make_no_matrix_are_refused(predictions, labels, error, message):
    with pytest.raises(error, match=message):
        plot.confusion_matrix(predictions, None, labels)
