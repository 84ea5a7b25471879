"""The `net` of an estimator: a name, a function, layers."""

from __future__ import annotations

import numpy as np
import pytest

import cnn

pytest.importorskip("sklearn", reason="scikit-learn is not installed")
from cnn.sklearn import CNNClassifier, CNNRegressor

pytestmark = pytest.mark.usefixtures("one_thread")

NAMES = [
    "tutorial", "two_conv", "lenet5", "quick", "tiny", "wide", "keras_mnist", "pytorch_mnist", "resnet_small",
    "vgg_small",
]  # fmt: skip


@pytest.fixture(scope="module")
def images(bars):
    return bars.train_images[:60], bars.train_labels[:60]


def layers():
    return [cnn.Rescaling(1 / 255), cnn.Flatten(), cnn.Dense(10)]


@pytest.mark.parametrize("name", NAMES)
def test_each_net_of_the_models_by_its_name(images, name):
    x, y = images
    net = CNNClassifier(name, epochs=1, random_state=0).fit(x, y).net_
    expected = getattr(cnn.models, name)()
    assert [type(layer) for layer in net.layers] == [type(layer) for layer in expected.layers]
    assert net.layers[0].configuration() == pytest.approx(expected.layers[0].configuration())
    assert CNNRegressor(name, epochs=0).fit(x, y / 10).net_.output_shape == (1,)


def test_the_list_of_names_is_whole():
    from cnn.sklearn.nets import NAMED

    assert sorted(NAMED) == sorted(NAMES)


def test_layers_stay_as_they_are(images):
    given = layers()
    estimator = CNNClassifier(given, epochs=2, random_state=0)
    first = estimator.fit(*images).predict_proba(images[0])
    assert estimator.net is given
    assert not any(layer.in_net or layer.parameters for layer in given)
    assert np.array_equal(estimator.fit(*images).predict_proba(images[0]), first)


def test_a_function_is_told_shape_and_outputs(images):
    told = []

    def net(image_shape, outputs):
        told.append((image_shape, outputs))
        return layers()

    expected = CNNClassifier(layers(), epochs=2, random_state=0).fit(*images).predict_proba(images[0])
    estimator = CNNClassifier(net, epochs=2, random_state=0).fit(*images)
    assert told == [((28, 28, 1), 10)]
    assert np.array_equal(estimator.predict_proba(images[0]), expected)


def test_a_function_may_return_a_net(images):
    trained = cnn.models.two_conv(seed=0)

    def net(image_shape, outputs):
        return cnn.Sequential.from_layers(trained, head=[cnn.Dense(outputs)], seed=0)

    estimator = CNNClassifier(net, epochs=2, random_state=0).fit(*images)
    learned, before = estimator.net_.parameters(), trained.parameters()
    assert np.array_equal(learned["conv2d_1.weights"], before["conv2d_1.weights"])  # frozen
    assert not np.array_equal(learned["dense_2.weights"], before["dense_2.weights"])


@pytest.mark.parametrize(
    ("net", "error", "message"),
    [
        (lambda shape, outputs: [cnn.Flatten(), cnn.Dense(3)], ValueError, "net must have 10 outputs .*, got 3"),
        (lambda shape, outputs: cnn.models.two_conv(input_shape=(8, 8, 1)), ValueError,
         r"net must take images \(28, 28, 1\), got a net for \(8, 8, 1\)"),
        (lambda shape, outputs: cnn.Sequential([cnn.Flatten(), cnn.Dense(outputs)], shape,
                                               loss=cnn.losses.MeanSquaredError()), ValueError,
         "net must have a loss for labels, such as SoftmaxCrossEntropy"),
        (lambda shape, outputs: None, TypeError, "net must be a name, layers, or a function"),
        (3, TypeError, "net must be a name, layers, or a function"),
        ([3], TypeError, r"layers\[0\] must be a layer, got 3"),
        (cnn.models.tutorial(), TypeError, "net must be a name, a function or layers, got a Sequential"),
    ],
)  # fmt: skip
def test_what_is_no_net_is_an_error(images, net, error, message):
    with pytest.raises(error, match=message):
        CNNClassifier(net).fit(*images)


def test_a_trained_net_can_be_saved(images, tmp_path):
    x, y = images
    names = np.array([f"digit {digit}" for digit in y])
    estimator = CNNClassifier(epochs=2, random_state=0).fit(x, names)
    estimator.net_.save(tmp_path / "net")
    net = cnn.load(tmp_path / "net")
    assert np.array_equal(net.predict_proba(x), estimator.predict_proba(x))
    assert net.classes == tuple(estimator.classes_)
