"""The kernels of convolutions."""

from __future__ import annotations

import numpy as np
import pytest

import cnn

from .cases import TIMES, panels, small_net, texts, values

matplotlib = pytest.importorskip("matplotlib")
pytest.importorskip("matplotlib.style")
plot = cnn.plot
pytestmark = pytest.mark.usefixtures("one_thread")


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


def test_a_depthwise_convolution_has_a_kernel_for_each_of_its_outputs():
    layers = [cnn.DepthwiseConv2D(3, multiplier=2), cnn.Flatten(), cnn.Dense(2)]
    figure = plot.filters(cnn.Sequential(layers, (8, 8, 3), seed=0))
    assert texts(figure) == ["depthwiseconv2d_1", f"6 filters of 3 {TIMES} 3"]
    assert len(figure.axes[0].images) == 6


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
