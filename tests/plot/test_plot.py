"""Pictures show what they say: the numbers in them are looked up in the figure, not in its pixels."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from xml.etree import ElementTree

import numpy as np
import pytest

import cnn
from cnn.training.history import History

matplotlib = pytest.importorskip("matplotlib")
pytest.importorskip("matplotlib.style")
plot = cnn.plot

pytestmark = pytest.mark.usefixtures("one_thread")

CLASSES = 4
TIMES = "\N{MULTIPLICATION SIGN}"
HISTORY = History(
    [0.5, 0.1, 0.05], [0.8, 0.95, 0.99], [0.4, 0.2, 0.19], [0.9, 0.93, 0.94], [1.0, 1.0, 1.0], [9.0, 9.0, 9.0]
)


def small_net(seed=0, input_shape=(6, 6, 1), rescaled=True, **how):
    layers = [cnn.Conv2D(3, 3), cnn.ReLU(), cnn.MaxPool2D(2), cnn.Flatten(), cnn.Dense(CLASSES)]
    first = [cnn.Rescaling(1 / 255, -0.5)] if rescaled else []
    return cnn.Sequential(first + layers, input_shape=input_shape, seed=seed, **how)


@pytest.fixture(scope="module")
def data():
    """Images, and labels of which a net that has learned nothing gets most wrong."""
    rng = np.random.default_rng(0)
    return rng.integers(256, size=(40, 6, 6), dtype=np.uint8), rng.integers(CLASSES, size=40)


def texts(figure):
    """All that is written in the figure's panels."""
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def panels(figure):
    """The panels with images, by their headings."""
    return {axes.texts[0].get_text(): axes for axes in figure.axes if axes.images and axes.texts}


def values(image):
    """What an image of a panel shows."""
    return np.ma.getdata(image.get_array())


# ---- curves ------------------------------------------------------------------------------------------------


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


# ---- filters -----------------------------------------------------------------------------------------------


def test_every_kernel_of_every_convolution_is_shown_on_a_scale_with_zero_in_the_middle():
    layers = [cnn.Conv2D(5, 3), cnn.Conv2D(2, (2, 3)), cnn.Flatten(), cnn.Dense(2)]
    net = cnn.Sequential(layers, input_shape=(8, 8, 1), seed=0)
    shown = panels(plot.filters(net))
    assert list(shown) == ["conv2d_1", "conv2d_2"]
    for layer, axes in zip(layers, shown.values(), strict=False):
        kernels = layer.weights.transpose(2, 3, 0, 1).reshape(-1, *layer.weights.shape[:2])
        assert np.array_equal([values(image) for image in axes.images], kernels)
        limit = np.abs(layer.weights).max()
        assert {image.get_clim() for image in axes.images} == {(-limit, limit)}


def test_a_kernel_stands_in_its_filters_column_and_its_inputs_row():
    net = cnn.Sequential([cnn.Conv2D(4, 3), cnn.Conv2D(3, 3), cnn.Flatten(), cnn.Dense(2)], (8, 8, 1), seed=0)
    images = panels(plot.filters(net))["conv2d_2"].images
    places = [(int(image.get_extent()[3]), int(image.get_extent()[0])) for image in images]
    assert places == [(row, column) for row in range(4) for column in range(3)]


def test_a_kernel_that_is_no_square_keeps_its_shape():
    net = cnn.Sequential([cnn.Conv2D(2, (2, 3)), cnn.Flatten(), cnn.Dense(2)], (8, 8, 1), seed=0)
    for image in plot.filters(net).axes[0].images:
        left, right, bottom, top = image.get_extent()
        assert (right - left) / (bottom - top) == pytest.approx(3 / 2)


def test_the_scale_of_the_filters_is_written_beside_them():
    net = small_net()
    net.layers[1].weights = np.linspace(-0.5, 0.25, 27, dtype=np.float32).reshape(3, 3, 1, 3)
    scale = plot.filters(net).axes[1]
    assert [label.get_text() for label in scale.get_yticklabels()] == ["\N{MINUS SIGN}0.5", "0", "0.5"]


def test_of_many_filters_the_first_are_shown_and_the_heading_says_so():
    layers = [cnn.Conv2D(40, 2), cnn.Conv2D(3, 2), cnn.Flatten(), cnn.Dense(2)]
    figure = plot.filters(cnn.Sequential(layers, input_shape=(5, 5, 1), seed=0))
    first, second = panels(figure).values()
    assert len(first.images) == 32
    assert len(second.images) == 8 * 3
    assert first.texts[1].get_text() == f"40 filters of 2 {TIMES} 2; 32 over 1 shown"
    assert second.texts[1].get_text() == f"3 filters of 2 {TIMES} 2 over 40 channels; 3 over 8 shown"


def test_the_heading_of_filters_that_are_all_shown_only_counts_them():
    assert texts(plot.filters(small_net())) == ["conv2d_1", f"3 filters of 3 {TIMES} 3"]


def test_filters_that_are_not_shown_have_their_part_in_the_scale():
    net = cnn.Sequential([cnn.Conv2D(33, 1), cnn.Flatten(), cnn.Dense(2)], input_shape=(2, 2, 1), seed=0)
    net.layers[0].weights[..., 32] = 5
    assert {image.get_clim() for image in plot.filters(net).axes[0].images} == {(-5, 5)}


def test_filters_of_a_net_without_a_convolution_are_refused():
    net = cnn.Sequential([cnn.Flatten(), cnn.Dense(2)], input_shape=(2, 2, 1))
    with pytest.raises(ValueError, match="must have a Conv2D, and has flatten_1, dense_1"):
        plot.filters(net)


@pytest.mark.parametrize("weight", [0, np.nan])
def test_filters_without_a_largest_weight_have_a_scale_to_one(weight, tmp_path):
    net = small_net()
    net.layers[1].weights[...] = weight
    figure = plot.filters(net, tmp_path / "filters.png")
    assert {image.get_clim() for image in figure.axes[0].images} == {(-1, 1)}


def test_a_weight_that_is_nan_is_grey_and_not_white_as_zero():
    colors = plot.filters(small_net()).axes[0].images[0].cmap
    assert [matplotlib.colors.to_hex(colors(value)) for value in (0.5, np.nan)] == ["#ffffff", "#8c8c8c"]
    assert colors(np.nan)[3] == 1


# ---- feature maps ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["compiled", "numpy"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_feature_maps_are_what_the_layers_give(data, backend, dtype):
    net, image = small_net(backend=backend, dtype=dtype), data[0][0]
    shown = panels(plot.feature_maps(net, image))
    assert list(shown) == ["image", "conv2d_1", "relu_1", "maxpool2d_1", "dense_1"]
    x = image[None, ..., None]
    for name, layer in zip(net.layer_names, net.layers, strict=True):
        x = layer.forward(x, training=False)
        if name in shown:
            maps = x[0].transpose(2, 0, 1) if x.ndim == 4 else x[None]
            assert np.array_equal([values(of) for of in shown[name].images], maps)
            assert shown[name].texts[1].get_text() == f" {TIMES} ".join(map(str, x.shape[1:]))


def test_the_maps_of_a_layer_have_one_scale_with_zero_in_the_middle(data):
    for name, axes in panels(plot.feature_maps(small_net(), data[0][0])).items():
        limits = {image.get_clim() for image in axes.images}
        assert len(limits) == 1
        low, high = limits.pop()
        if name == "image":
            assert (low, high) == (data[0][0].min(), data[0][0].max())
        else:
            assert -low == high == max(np.abs(values(image)).max() for image in axes.images)


def test_feature_maps_end_with_the_probabilities(data):
    net, image = small_net(), data[0][0]
    probabilities = net.predict_proba(image[None])[0]
    axes = plot.feature_maps(net, image).axes[-1]
    assert np.allclose([bar.get_height() for bar in axes.patches], probabilities)
    best = probabilities.argmax()
    assert axes.texts[1].get_text() == f"{best} with {probabilities[best]:.2%}"
    colors = [bar.get_facecolor() for bar in axes.patches]
    assert colors.count(colors[best]) == 1
    assert len(set(colors)) == 2


@pytest.mark.parametrize(("classes", "numbered"), [(20, range(20)), (21, [7])])
def test_of_more_than_20_classes_only_the_best_is_numbered(classes, numbered):
    net = cnn.Sequential([cnn.Dense(classes)], input_shape=(2,), seed=0)
    net.layers[0].bias[7] = 9
    assert plot.feature_maps(net, np.ones(2)).axes[-1].get_xticks().tolist() == list(numbered)


def test_of_many_channels_the_first_are_shown_and_the_heading_says_so():
    layers = [cnn.Conv2D(20, 3), cnn.Flatten(), cnn.Dense(2)]
    net = cnn.Sequential(layers, input_shape=(5, 5, 3), seed=0)
    shown = panels(plot.feature_maps(net, np.random.default_rng(0).random((5, 5, 3))))
    assert len(shown["image"].images) == 3
    assert len(shown["conv2d_1"].images) == 16
    assert shown["conv2d_1"].texts[1].get_text().endswith("20, the first 16")


def test_a_net_without_rescaling_or_images_has_feature_maps():
    assert list(panels(plot.feature_maps(small_net(rescaled=False), np.ones((6, 6))))) == [
        "image", "conv2d_1", "relu_1", "maxpool2d_1", "dense_1",
    ]  # fmt: skip
    flat = cnn.Sequential([cnn.Dense(5), cnn.ReLU(), cnn.Dense(2)], input_shape=(3,), seed=0)
    assert list(panels(plot.feature_maps(flat, np.ones(3)))) == ["image", "dense_1", "relu_1", "dense_2"]


def test_feature_maps_leave_the_net_untouched(data):
    net = small_net()
    before = [value.copy() for value in net.state().values()]
    plot.feature_maps(net, data[0][0])
    assert all(np.array_equal(a, b) for a, b in zip(before, net.state().values(), strict=True))
    with pytest.raises(RuntimeError, match="before forward"):
        net.layers[1].backward(np.zeros((1, 4, 4, 3)))


@pytest.mark.parametrize("backend", ["compiled", "numpy"])
def test_layers_that_pass_the_picture_on_are_left_out(data, backend):
    layers = [
        cnn.Rescaling(1 / 255), cnn.Dropout(0.5), cnn.Conv2D(2, 3), cnn.Dropout(0.5), cnn.Flatten(), cnn.Dropout(0.5),
        cnn.Dense(CLASSES),
    ]  # fmt: skip
    net = cnn.Sequential(layers, input_shape=(6, 6, 1), seed=0, backend=backend)
    assert list(panels(plot.feature_maps(net, data[0][0]))) == ["image", "conv2d_1", "dense_1"]


@pytest.mark.parametrize("image", [np.zeros((1, 6, 6)), np.zeros((6, 5)), np.zeros((6, 6, 3)), 0])
def test_what_is_no_image_of_the_net_is_refused(image):
    with pytest.raises(ValueError, match=r"image must have shape \(6, 6, 1\) = one image of this net"):
        plot.feature_maps(small_net(), image)


def test_only_a_single_channel_may_be_left_out():
    for image in (np.ones((6, 6)), np.ones((6, 6, 1))):
        assert texts(plot.feature_maps(small_net(), image))[1].split() == ["6", TIMES, "6", TIMES, "1"]
    with pytest.raises(ValueError, match=r"image must have shape \(6, 6, 3\) = one image of this net, got \(6, 6\)"):
        plot.feature_maps(small_net(input_shape=(6, 6, 3)), np.ones((6, 6)))


# ---- confusion matrix --------------------------------------------------------------------------------------


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


# ---- worst mistakes ----------------------------------------------------------------------------------------


def test_the_worst_mistakes_are_those_of_the_greatest_loss(data):
    images, labels = data
    net = small_net()
    probabilities = net.predict_proba(images)
    read = probabilities.argmax(axis=1)
    losses = -np.log(probabilities[np.arange(40), labels])
    wrong = [int(i) for i in np.argsort(-losses) if read[i] != labels[i]]
    figure = plot.worst_mistakes(net, images, labels, count=6)
    assert texts(figure)[:2] == ["worst mistakes", f"6 of {len(wrong)} in 40 images"]
    shown = figure.axes[1:]
    assert len(shown) == 6
    for axes, i in zip(shown, wrong, strict=False):
        above, below = (text.get_text() for text in axes.texts)
        assert above == f"{labels[i]} read as {read[i]}"
        assert below == f"{probabilities[i, read[i]]:.0%}  #{i}"
        assert np.array_equal(values(axes.images[0]), images[i])


def test_mistakes_whose_loss_overflows_a_probability_are_still_in_order():
    images = np.array([500.0, 2000.0, 1000.0, -5.0]).reshape(4, 1, 1)
    figure = plot.worst_mistakes(linear_net([1, 0]), images, [1, 1, 1, 1])
    assert [axes.texts[1].get_text() for axes in figure.axes[1:]] == ["100%  #1", "100%  #2", "100%  #0"]


def linear_net(weights):
    """A net of two classes whose logits are the weights times the only pixel."""
    net = cnn.Sequential([cnn.Flatten(), cnn.Dense(2)], input_shape=(1, 1, 1))
    net.layers[1].weights = np.array([weights], np.float32)
    return net


def indices(figure):
    """The images that are shown as mistakes, by their indices."""
    return [int(axes.texts[1].get_text().partition("#")[2]) for axes in figure.axes[1:]]


def test_losses_that_overflow_the_nets_precision_are_still_in_order():
    images = np.array([2e38, 3e38]).reshape(2, 1, 1)
    assert indices(plot.worst_mistakes(linear_net([1, -1]), images, [1, 1])) == [1, 0]


def test_mistakes_of_the_same_loss_come_in_the_order_of_the_images():
    images = np.resize([2.0, 1.0], (100, 1, 1))
    assert indices(plot.worst_mistakes(linear_net([1, 0]), images, [1] * 100, count=6)) == [0, 2, 4, 6, 8, 10]


def test_a_net_without_mistakes_shows_none(data, tmp_path):
    net, images = small_net(), data[0]
    figure = plot.worst_mistakes(net, images, net.predict(images), path=tmp_path / "none.png")
    assert texts(figure) == ["no mistakes", "in 40 images"]
    assert len(figure.axes) == 1


def test_images_of_three_channels_are_shown_in_colour():
    images = np.random.default_rng(0).random((9, 6, 6, 3))
    net = small_net(input_shape=(6, 6, 3))
    wrong = (net.predict(images) + 1) % CLASSES
    shown = plot.worst_mistakes(net, images, wrong, count=1).axes[1].images[0]
    assert shown.get_array().shape == (6, 6, 3)


def test_images_of_two_channels_are_shown_as_their_mean():
    images = np.random.default_rng(0).random((1, 6, 6, 2), np.float32)
    net = small_net(input_shape=(6, 6, 2))
    shown = plot.worst_mistakes(net, images, (net.predict(images) + 1) % CLASSES).axes[1].images[0]
    assert np.array_equal(values(shown), images[0].mean(axis=2))


def test_an_image_of_one_colour_is_no_division_by_zero():
    net = small_net(input_shape=(6, 6, 3))
    images = np.full((1, 6, 6, 3), 7, np.uint8)
    shown = plot.worst_mistakes(net, images, (net.predict(images) + 1) % CLASSES).axes[1].images[0]
    assert not values(shown).any()


def test_mistakes_in_what_is_no_image_are_refused(data):
    flat = cnn.Sequential([cnn.Dense(2)], input_shape=(3,))
    with pytest.raises(ValueError, match=r"net must take images .* shape \(3,\)"):
        plot.worst_mistakes(flat, np.ones((1, 3)), [0])
    with pytest.raises(ValueError, match="count must be at least 1, got 0"):
        plot.worst_mistakes(small_net(), *data, count=0)
    with pytest.raises(ValueError, match="y must hold at least one label"):
        plot.worst_mistakes(small_net(), data[0][:0], [])


# ---- files, notebooks, matplotlib --------------------------------------------------------------------------

DRAWINGS = {
    "training_curves": lambda images, labels, **how: plot.training_curves(HISTORY, **how),
    "filters": lambda images, labels, **how: plot.filters(small_net(), **how),
    "feature_maps": lambda images, labels, **how: plot.feature_maps(small_net(), images[0], **how),
    "confusion_matrix": lambda images, labels, **how: plot.confusion_matrix(small_net(), images, labels, **how),
    "worst_mistakes": lambda images, labels, **how: plot.worst_mistakes(small_net(), images, labels, **how),
}
EVERY_DRAWING = pytest.mark.parametrize("draw", DRAWINGS.values(), ids=DRAWINGS)


def test_every_public_function_is_among_those_tested_here():
    assert sorted(DRAWINGS) == plot.__all__


@EVERY_DRAWING
def test_a_picture_is_written_as_its_suffix_says(draw, data, tmp_path):
    draw(*data, path=tmp_path / "picture.png")
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    figure = draw(*data, path=str(tmp_path / "picture.SVG"))
    root = ElementTree.parse(tmp_path / "picture.SVG").getroot()
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    width = figure.get_size_inches()[0]
    assert np.isclose(float(root.get("width").removesuffix("pt")), 72 * width)


def test_an_svg_holds_no_date():
    written = plot.training_curves(HISTORY).encoded("svg")
    assert b"matplotlib" in written.lower()
    assert b"date" not in written


@EVERY_DRAWING
def test_another_suffix_is_refused(draw, data, tmp_path):
    with pytest.raises(ValueError, match=r"path must end in \.png or \.svg, got .*picture\.jpg"):
        draw(*data, path=tmp_path / "picture.jpg")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there_is_an_error_of_the_file_system(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        plot.training_curves(HISTORY, tmp_path / "nowhere" / "curves.svg")


@EVERY_DRAWING
@pytest.mark.parametrize("path", [5, b"picture.png"])
def test_what_is_no_path_is_refused_by_the_argument_s_name(draw, data, path):
    with pytest.raises(TypeError, match=r"path must be a str or a pathlib\.Path, got "):
        draw(*data, path=path)


def test_a_picture_that_cannot_be_written_leaves_the_older_one_and_is_named(tmp_path, monkeypatch):
    path = tmp_path / "filters.png"
    plot.filters(small_net(), path)
    before = path.read_bytes()

    def disk_full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", disk_full)
    with pytest.raises(OSError, match=r"No space left on device: .*filters\.png"):
        plot.filters(small_net(seed=1), path)
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["filters.png"]


@pytest.mark.parametrize("net", [None, "digits.safetensors", cnn.ConvolutionalNeuralNetwork])
def test_what_is_no_net_is_refused_by_the_argument_s_name(data, net):
    draws = (
        lambda: plot.filters(net),
        lambda: plot.feature_maps(net, data[0][0]),
        lambda: plot.worst_mistakes(net, *data),
    )
    for draw in draws:
        with pytest.raises(TypeError, match=r"net must be a cnn\.Sequential, got "):
            draw()
    with pytest.raises(TypeError, match="net_or_predictions must be"):
        plot.confusion_matrix(net, *data)


@EVERY_DRAWING
def test_a_notebook_is_given_an_image(draw, data):
    assert draw(*data)._repr_png_().startswith(b"\x89PNG\r\n\x1a\n")


@EVERY_DRAWING
def test_nothing_is_written_beyond_the_edges_of_a_picture(draw, data):
    figure = draw(*data)
    drawn, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
    assert drawn.x0 >= 0
    assert drawn.y0 >= 0
    assert drawn.x1 <= width
    assert drawn.y1 <= height


@EVERY_DRAWING
def test_a_picture_is_the_same_whatever_the_users_style(draw, data):
    plain = draw(*data).encoded("png")
    with matplotlib.style.context(["dark_background", {"font.size": 20, "axes.grid": True, "lines.linewidth": 5}]):
        assert draw(*data).encoded("png") == plain


def test_pictures_need_no_pyplot_and_leave_matplotlibs_parameters_alone(tmp_path):
    program = """
        import sys
        import matplotlib
        before = matplotlib.rcParams.copy()
        import cnn
        net = cnn.models.tutorial(seed=0)
        cnn.plot.filters(net, sys.argv[1])
        assert "matplotlib.pyplot" not in sys.modules
        assert matplotlib.rcParams.copy() == before
    """
    subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), str(tmp_path / "filters.png")], check=True, cwd=tmp_path
    )


def test_without_matplotlib_one_line_says_what_to_install(tmp_path):
    program = """
        import sys
        sys.modules["matplotlib"] = None
        import cnn
        try:
            cnn.plot.filters
        except ImportError as error:
            print(error)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], check=True, cwd=tmp_path, capture_output=True, text=True
    )
    assert done.stdout == "pictures are drawn with matplotlib: pip install 'cnn-c[plot]'\n"


def test_pictures_may_be_drawn_in_several_threads():
    net = small_net()
    with ThreadPoolExecutor(4) as pool:
        pictures = list(pool.map(lambda _: plot.filters(net).encoded("png"), range(8)))
    assert len(set(pictures)) == 1
