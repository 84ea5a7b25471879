"""`cnn.models`: what its nets take. Their sizes are tested with those of other nets, in `nets/test_sequential.py`."""

from __future__ import annotations

import numpy as np
import pytest

import cnn

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize("make", [cnn.models.resnet_small, cnn.models.vgg_small])
@pytest.mark.parametrize("shape", [(28, 28, 1), (32, 32, 3)])
def test_deep_nets_take_images_of_another_shape_and_learn_as_many_classes_as_are_asked_for(make, shape):
    net = make(shape, 3, seed=0)
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 60, (60, *shape), dtype=np.uint8), np.arange(60) % 3
    for image, label in zip(x, y, strict=True):
        image[8 * label : 8 * label + 8] += 150  # a class is where the bright bar lies
    history = net.fit(x, y, epochs=5, batch_size=12, optimizer=cnn.SGD(0.01, momentum=0.9), seed=0, progress=False)
    assert net.predict_proba(x).shape == (60, 3)
    assert history.loss[-1] < 0.5 * history.loss[0]
    assert history.accuracy[-1] > 0.9


def test_stages_of_the_residual_net_halve_height_and_width_of_any_size():
    for h, w in ((28, 28), (33, 30), (5, 1)):
        net = cnn.models.resnet_small((h, w, 2))
        maps = [layer.output_shape for layer in net.layers if isinstance(layer, cnn.Residual)]
        assert maps == [(h, w, 16), (-(-h // 2), -(-w // 2), 32), (-(-h // 4), -(-w // 4), 64)]


def test_pytorchs_example_brings_the_pixels_to_mean_0_and_variance_1():
    rescaling = cnn.models.pytorch_mnist().layers[0]
    x = np.arange(256.0).reshape(256, 1, 1, 1)
    y = cnn.Rescaling(rescaling.scale, rescaling.offset).build((1, 1, 1), dtype="float64").forward(x)
    np.testing.assert_allclose(y, (x / 255 - 0.1307) / 0.3081, rtol=0, atol=1e-14)


def test_images_of_which_nothing_is_left_are_refused():
    with pytest.raises(ValueError, match="pool window of height 2 is larger than the input of height 1"):
        cnn.models.vgg_small((3, 3, 1))
