"""`Sequential.from_layers`: copies of a trained net's first layers, with a head of new ones."""

from __future__ import annotations

import numpy as np
import pytest

import cnn
import cnn.reference

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(params=["reference", "compiled"])
def ns(request):
    return cnn.reference if request.param == "reference" else cnn


@pytest.fixture
def trained(ns):
    """A net of several kinds of layers, one of them with statistics, after a few steps."""
    net = ns.Sequential(
        [
            ns.Rescaling(1 / 255), ns.Conv2D(3, 3, bias=False), ns.BatchNorm(), ns.ReLU(),
            ns.Residual([ns.Conv2D(3, 3, padding="same"), ns.BatchNorm()]), ns.MaxPool2D(2),
            ns.Flatten(), ns.Dense(6), ns.ReLU(), ns.Dense(4),
        ],
        (8, 8, 1), dtype="float64", seed=0,
    )  # fmt: skip
    net.fit(*images(), batch_size=8, optimizer=cnn.SGD(0.1), seed=0, progress=False)
    return net


def images(n=40, classes=4):
    rng = np.random.default_rng(1)
    return rng.integers(0, 256, (n, 8, 8, 1), dtype=np.uint8), rng.integers(0, classes, n)


def test_the_first_layers_have_what_they_have_learned_and_the_head_is_new(ns, trained):
    before = trained.snapshot()
    net = ns.Sequential.from_layers(trained, "flatten_1", [ns.Flatten(), ns.Dense(7)], seed=3)
    assert type(net) is ns.Sequential
    assert [type(layer).__name__ for layer in net.layers] == [
        "Rescaling", "Conv2D", "BatchNorm", "ReLU", "Residual", "MaxPool2D", "Flatten", "Dense",
    ]  # fmt: skip
    assert (net.input_shape, net.output_shape, net.dtype, net.backend) == (
        trained.input_shape, (7,), trained.dtype, trained.backend,
    )  # fmt: skip
    state = net.state()
    assert set(state) - set(before) == set()
    taken = [name for name in state if not name.startswith("dense")]
    assert {"batchnorm_1.mean", "residual_1.conv2d_1.weights", "residual_1.batchnorm_1.variance"} < set(taken)
    for name in taken:
        assert state[name].tobytes() == before[name].tobytes()
        assert not np.shares_memory(state[name], trained.state()[name])
    assert net.image_range == trained.image_range
    again = ns.Sequential.from_layers(trained, "flatten_1", [ns.Flatten(), ns.Dense(7)], seed=3)
    assert again.state()["dense_1.weights"].tobytes() == state["dense_1.weights"].tobytes()


@pytest.mark.parametrize(("upto", "count"), [(None, 9), (1, 1), (np.int64(7), 7), ("dense_1", 7), ("relu_2", 8)])
def test_upto_is_a_number_of_layers_or_the_name_of_the_first_that_is_left_out(trained, upto, count):
    head = [cnn.Flatten(), cnn.Dense(2)]
    net = cnn.Sequential.from_layers(trained, upto, head)
    assert len(net.layers) == count + 2
    assert net.layers[count:] == tuple(head)


def test_frozen_copies_stay_as_they_are_and_others_learn(ns, trained):
    x, y = images()
    for freeze in (True, False):
        net = ns.Sequential.from_layers(trained, head=[ns.Dense(4)], freeze=freeze, seed=0)
        assert {layer.trainable for layer in net.layers[:-1]} == {not freeze}
        assert net.layers[-1].trainable
        before, of_trained = net.snapshot(), trained.snapshot()
        net.fit(x, y, batch_size=8, optimizer=cnn.SGD(0.1), progress=False)
        changed = {name for name, value in net.state().items() if not np.array_equal(before[name], value)}
        assert changed == ({"dense_2.weights", "dense_2.bias"} if freeze else set(before))
        assert all(np.array_equal(of_trained[name], value) for name, value in trained.state().items())


def test_a_frozen_layer_is_taken_over_as_one_that_learns_where_that_is_asked_for(ns, trained):
    frozen = ns.Sequential.from_layers(trained, head=[ns.Dense(4)])
    thawed = ns.Sequential.from_layers(frozen, len(frozen.layers), freeze=False)
    assert all(layer.trainable for layer in thawed.layers)
    x, _ = images()
    assert thawed.predict_logits(x).tobytes() == frozen.predict_logits(x).tobytes()


def test_without_a_head_the_net_gives_features(ns, trained):
    features = ns.Sequential.from_layers(trained)
    x, _ = images()
    weights, bias = (trained.state()[f"dense_2.{name}"] for name in ("weights", "bias"))
    np.testing.assert_allclose(
        features.predict_logits(x) @ weights + bias, trained.predict_logits(x), rtol=0, atol=1e-12
    )


def test_the_loss_is_that_of_the_trained_net_if_no_other_is_given(trained):
    assert repr(cnn.Sequential.from_layers(trained, head=[cnn.Dense(1)]).loss) == repr(trained.loss)
    net = cnn.Sequential.from_layers(trained, head=[cnn.Dense(1)], loss=cnn.losses.Huber(2))
    assert repr(net.loss) == "Huber(delta=2.0)"
    again = cnn.Sequential.from_layers(net, head=[cnn.Dense(2)])
    assert again.loss is net.loss


def test_a_transferred_net_is_saved_with_what_is_frozen(trained, tmp_path):
    net = cnn.Sequential.from_layers(trained, head=[cnn.Dense(5)], seed=0)
    net.save(tmp_path / "net")
    loaded = cnn.load(tmp_path / "net", backend=net.backend)
    assert [layer.trainable for layer in loaded.layers] == [layer.trainable for layer in net.layers]
    x, _ = images()
    assert loaded.predict_logits(x).tobytes() == net.predict_logits(x).tobytes()


def test_layers_of_a_net_in_another_net_are_refused_with_the_way_that_there_is(trained):
    with pytest.raises(
        ValueError, match=r"^layers\[0\] is in another net .* Sequential.from_layers\(trained, upto, head"
    ):
        cnn.Sequential([*trained.layers[:3], cnn.Flatten(), cnn.Dense(3)], (8, 8, 1))


class Unkept(cnn.Layer):
    def __init__(self, power):
        self.exponent = power

    def apply(self, x, training):
        return x.copy(), None

    def apply_gradient(self, dy, kept):
        return dy.copy()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"upto": 0}, ValueError, "upto must be at least 1, got 0"),
        ({"upto": 11}, ValueError, "upto must be at most 10, got 11"),
        ({"upto": 2.0}, TypeError, "upto must be an integer, got 2.0"),
        ({"upto": "rescaling_1"}, ValueError, "upto must be at least 1, got 0"),
        ({"upto": "flatten"}, ValueError, r"upto must be a number of layers or one of \[.*\], got 'flatten'; did you"),
        ({"head": cnn.Dense(3)}, TypeError, "head must be a sequence of layers, got Dense"),
        ({"head": [cnn.Dense]}, TypeError, r"head\[0\] must be a layer, got <class"),
        ({"head": [cnn.Conv2D(2, 3)]}, ValueError, "input_shape of Conv2D"),
        ({"freeze": 1}, TypeError, "freeze must be True or False, got 1"),
        ({"loss": "mse"}, TypeError, "loss must be one of"),
    ],
)
def test_what_does_not_fit_is_refused(trained, arguments, error, message):
    with pytest.raises(error, match=message):
        cnn.Sequential.from_layers(trained, **{"head": [cnn.Dense(3)], **arguments})
    assert trained.predict(images()[0]).shape == (40,)


def test_nets_and_layers_that_cannot_be_taken_are_refused(trained):
    with pytest.raises(TypeError, match=r"^trained must be a net, a cnn.Sequential, got \("):
        cnn.Sequential.from_layers(trained.layers[:3], head=[cnn.Dense(3)])
    with pytest.raises(ValueError, match=r"^head\[0\] is in another net already"):
        cnn.Sequential.from_layers(trained, head=[trained.layers[-1]])
    with pytest.raises(ValueError, match=r"^upto must say how many layers of a net without a Dense"):
        cnn.Sequential.from_layers(cnn.Sequential([cnn.Flatten()], (2, 2, 1)))
    with pytest.raises(AttributeError, match=r"^layers\[0\] of trained, a Unkept, cannot be made anew: .*'power'"):
        cnn.Sequential.from_layers(cnn.Sequential([Unkept(2), cnn.Dense(2)], (3,)))


def test_digits_that_a_net_has_not_seen_are_learned_from_few_images_by_its_first_layers(mnist_dataset):
    x, y = mnist_dataset.train_images, mnist_dataset.train_labels.astype(np.int64)
    low, high = (y < 5).nonzero()[0][:10_000], (y >= 5).nonzero()[0][:500]
    tested = mnist_dataset.test_labels >= 5
    test = mnist_dataset.test_images[tested], mnist_dataset.test_labels[tested].astype(np.int64) - 5

    def net():
        return cnn.Sequential(
            [
                cnn.Rescaling(1 / 255, -0.5),
                cnn.Conv2D(8, 3, padding="same"), cnn.ReLU(), cnn.MaxPool2D(2),
                cnn.Conv2D(16, 3, padding="same"), cnn.ReLU(), cnn.MaxPool2D(2),
                cnn.Flatten(), cnn.Dense(64), cnn.ReLU(), cnn.Dense(5),
            ],
            (28, 28, 1), seed=0,
        )  # fmt: skip

    def accuracy(net, epochs=5):
        net.fit(x[high], y[high] - 5, epochs=epochs, optimizer=cnn.SGD(0.05, momentum=0.9), seed=0, progress=False)
        return net.score(*test)

    trained = net()
    trained.fit(x[low], y[low], epochs=2, optimizer=cnn.SGD(0.05, momentum=0.9), seed=0, progress=False)
    head = [cnn.Flatten(), cnn.Dense(64), cnn.ReLU(), cnn.Dense(5)]
    transferred = cnn.Sequential.from_layers(trained, "flatten_1", head, seed=0)
    assert accuracy(transferred) > accuracy(net()) + 0.01
