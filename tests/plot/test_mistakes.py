"""The worst mistakes."""

from __future__ import annotations

import numpy as np
import pytest

import cnn

from .cases import CLASSES, small_net, texts, values

pytest.importorskip("matplotlib")
pytest.importorskip("matplotlib.style")
plot = cnn.plot
pytestmark = pytest.mark.usefixtures("one_thread")


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


@pytest.mark.parametrize("loss", [cnn.losses.MeanSquaredError(), cnn.losses.BinaryCrossEntropy()])
def test_what_is_drawn_of_labels_is_refused_for_rows_of_targets(data, loss):
    x, y = data
    net = small_net(loss=loss)
    for draw in (
        plot.worst_mistakes,
        plot.confusion_matrix,
        lambda *of: cnn.report.write_report("unwritten", net, None, *of[1:]),
    ):
        with pytest.raises(
            ValueError, match=r"must be labels, one for each image, to be drawn, got rows of shape \(40, 4\)$"
        ):
            draw(net, x, np.eye(4)[y])
