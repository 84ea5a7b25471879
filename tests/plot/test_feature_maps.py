"""What layers make of an image."""

from __future__ import annotations

import numpy as np
import pytest

import cnn

from .cases import CLASSES, TIMES, panels, small_net, texts, values

pytest.importorskip("matplotlib")
pytest.importorskip("matplotlib.style")
plot = cnn.plot
pytestmark = pytest.mark.usefixtures("one_thread")


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
