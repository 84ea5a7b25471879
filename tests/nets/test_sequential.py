"""`Sequential`: how a net is made and used, its parameters and its words, and the layers that it refuses."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

import cnn
import cnn.models
import cnn.reference

from .cases import CLASSES, SHAPE, bits, data, fitted, small, values

pytestmark = pytest.mark.usefixtures("one_thread")


def test_a_net_is_made_trained_and_asked_in_a_few_calls(capsys):
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (96, 28, 28), dtype=np.uint8), rng.integers(0, 10, 96)
    xt, yt = rng.integers(0, 256, (40, 28, 28, 1), dtype=np.uint8), rng.integers(0, 10, 40)
    net = cnn.Sequential([
        cnn.Rescaling(1 / 255, -0.5),
        cnn.Conv2D(8, 3, padding="same"), cnn.ReLU(), cnn.MaxPool2D(2),
        cnn.Conv2D(16, 3, padding="same"), cnn.ReLU(), cnn.MaxPool2D(2),
        cnn.Flatten(), cnn.Dense(128), cnn.ReLU(), cnn.Dense(10),
    ], input_shape=(28, 28, 1), dtype="float32", seed=0)  # fmt: skip
    history = net.fit(x, y, epochs=2, batch_size=64, optimizer=cnn.SGD(0.1, momentum=0.9, nesterov=True),
                      validation_data=(xt, yt), shuffle=True, seed=0, callbacks=(), progress="auto")  # fmt: skip
    assert len(capsys.readouterr().out.splitlines()) == 2
    for figures in (
        history.loss, history.accuracy, history.val_loss, history.val_accuracy, history.seconds,
        history.images_per_second,
    ):  # fmt: skip
        assert len(figures) == 2
        assert all(math.isfinite(figure) and figure >= 0 for figure in figures)
    loss, accuracy = net.evaluate(xt, yt)
    assert (loss, accuracy) == (history.val_loss[-1], history.val_accuracy[-1])
    assert net.score(xt, yt) == accuracy
    assert net.predict(xt).shape == (40,)
    assert net.predict_proba(xt).shape == (40, 10)
    assert net.predict_proba(xt).dtype == np.float32
    net.summary()
    assert "conv2d_2" in capsys.readouterr().out
    assert sum(value.size for value in net.parameters().values()) == 80 + 1168 + 100480 + 1290


@pytest.mark.parametrize(
    ("make", "parameters"),
    [
        (cnn.models.tutorial, 3 * 3 * 8 + 1352 * 10 + 10),
        (cnn.models.two_conv, 80 + 1168 + 100480 + 1290),
        (cnn.models.lenet5, 156 + 2416 + 30840 + 10164 + 850),
        (cnn.models.quick, 156 + 2400 + 32 + 32896 + 1290),
        (cnn.models.tiny, 200 + 864 + 1512 + 1764 + 2 * (8 + 12 + 14 + 14) + 150),
        (cnn.models.keras_mnist, 320 + 18_496 + 16_010),  # the sizes that the examples print
        (cnn.models.pytorch_mnist, 320 + 18_496 + 1_179_776 + 1_290),
        (cnn.models.resnet_small, 9 * 16 * (1 + 32 + 96 + 384) + 16 * 32 + 32 * 64 + 2 * 16 * (3 + 6 + 12) + 650),
        (cnn.models.vgg_small, 9 * 32 * (1 + 32 + 64 + 128) + 4 * 32 + 4 * 64 + 401_536 + 1_290),
    ],
)
def test_the_models_take_bytes_and_have_the_right_sizes(dtype, make, parameters):
    net = make(seed=1, dtype=dtype)
    x = np.random.default_rng(0).integers(0, 256, (3, 28, 28), dtype=np.uint8)
    p = net.predict_proba(x)
    assert (p.shape, p.dtype) == ((3, 10), dtype)
    assert values(net).size == parameters
    assert bits(net) == bits(make(seed=1, dtype=dtype)) != bits(make(seed=2, dtype=dtype))


NAMES = {
    "conv2d_1.weights": (3, 3, 1, 3),
    "conv2d_1.bias": (3,),
    "conv2d_2.weights": (2, 3, 3, 4),
    "dense_1.weights": (36, 7),
    "dense_1.bias": (7,),
    "dense_2.weights": (7, CLASSES),
    "dense_2.bias": (CLASSES,),
}


def test_parameters_are_named_in_the_order_of_the_layers(dtype, either):
    parameters = small(dtype, backend=either).parameters()
    assert [(name, value.shape) for name, value in parameters.items()] == list(NAMES.items())
    assert {value.dtype for value in parameters.values()} == {dtype}


@pytest.mark.parametrize("which", ["parameters", "gradients"])
def test_all_lie_one_after_the_other_in_one_buffer(dtype, either, which):
    net = small(dtype, backend=either)
    arrays = [
        array.T if isinstance(layer, cnn.Dense) else array  # dense weights lie unit by unit
        for layer in net.layers
        for array in getattr(layer, which).values()
    ]
    assert len(arrays) == len(NAMES)
    assert all(array.flags.c_contiguous for array in arrays)
    for one, next_one in itertools.pairwise(arrays):
        assert next_one.ctypes.data == one.ctypes.data + one.nbytes


def test_layers_and_net_share_their_parameters_also_after_a_fit(either):
    net = small(backend=either)
    fitted(net, *data(20))
    first = net.layers[1]
    assert first.weights.ctypes.data == net.parameters()["conv2d_1.weights"].ctypes.data
    x, _ = data(4)
    before = net.predict_proba(x)
    first.weights = np.ones_like(first.weights)
    assert (net.parameters()["conv2d_1.weights"] == 1).all()
    changed = net.predict_proba(x)
    assert not np.array_equal(changed, before)
    net.parameters()["dense_2.bias"][2] += 10
    assert (net.predict_proba(x)[:, 2] > changed[:, 2]).all()


def test_a_seed_repeats_the_initial_parameters_for_both_backends(dtype):
    nets = [small(dtype, seed, backend) for seed in (1, 2) for backend in ("compiled", "numpy")]
    assert bits(nets[0]) == bits(nets[1])
    assert bits(nets[2]) == bits(nets[3])
    assert bits(nets[0]) != bits(nets[2])


def test_every_layer_draws_its_own_numbers():
    net = cnn.Sequential([cnn.Dense(6), cnn.Dense(6)], input_shape=(6,), seed=0)
    assert not np.array_equal(net.layers[0].weights, net.layers[1].weights)


def test_the_summary_is_a_table_with_totals(capsys):
    net = small()
    net.summary()
    header, _, *rows, _, total = (line.split() for line in capsys.readouterr().out.splitlines())
    assert header == ["layer", "output", "shape", "parameters", "MACs"]
    assert [row[0] for row in rows] == [
        "rescaling_1", "conv2d_1", "relu_1", "maxpool2d_1", "conv2d_2", "relu_2", "flatten_1", "dense_1", "relu_3",
        "dense_2",
    ]  # fmt: skip
    assert [" ".join(row[1:-2]) for row in rows] == [
        "8 x 9 x 1", "6 x 7 x 3", "6 x 7 x 3", "3 x 3 x 3", "3 x 3 x 4", "3 x 3 x 4", "36", "7", "7", "5",
    ]  # fmt: skip
    assert [int(row[-2]) for row in rows] == [0, 30, 0, 0, 72, 0, 0, 259, 0, 40]
    assert [int(row[-1].replace(",", "")) for row in rows] == [0, 6 * 7 * 27, 0, 0, 3 * 3 * 72, 0, 0, 36 * 7, 0, 35]
    assert total[0] == "total"
    assert [int(figure.replace(",", "")) for figure in total[-2:]] == [401, 1134 + 648 + 252 + 35]


@pytest.mark.parametrize(
    ("layers", "error", "message"),
    [
        (lambda: [], ValueError, "at least one layer"),
        (lambda: [cnn.Flatten(), cnn.ReLU, cnn.Dense(3)], TypeError, r"layers\[1\] must be a layer"),
        (lambda: [cnn.Flatten(), None], TypeError, r"layers\[1\] must be a layer"),
        (lambda: [cnn.Conv2D(3, 3), cnn.ReLU()], ValueError, r"last layer .* \(6, 7, 3\)"),
        (lambda: [cnn.Conv2D(3, 3), cnn.Dense(3)], ValueError, "Flatten"),
        (lambda: [cnn.Flatten(), cnn.Conv2D(3, 3)], ValueError, r"\(h, w, c\)"),
        (lambda: [cnn.Conv2D(3, 9), cnn.Flatten()], ValueError, "larger than the input"),
        (lambda: [cnn.MaxPool2D(4), cnn.MaxPool2D(4), cnn.Flatten()], ValueError, "larger than the input"),
    ],
)
def test_layers_that_make_no_net_are_refused_when_it_is_made(either, layers, error, message):
    with pytest.raises(error, match=message):
        cnn.Sequential(layers(), input_shape=SHAPE, backend=either)


def test_a_layer_cannot_stand_in_a_net_twice(either):
    relu = cnn.ReLU()
    with pytest.raises(ValueError, match=r"layers\[3\] stands in the net twice"):
        cnn.Sequential([cnn.Flatten(), relu, cnn.Dense(3), relu], input_shape=SHAPE, backend=either)


def test_a_layer_cannot_be_in_two_nets_nor_be_built_away_from_its_own(either):
    net = small(backend=either)
    with pytest.raises(ValueError, match=r"layers\[1\] is in another net"):
        cnn.Sequential([cnn.Flatten(), net.layers[-1]], input_shape=(7,), backend=either)
    with pytest.raises(RuntimeError, match="the Dense is in a net"):
        net.layers[-1].build((7,), seed=1)
    before = bits(net)
    fitted(net, *data(9))
    assert bits(net) != before
    assert np.shares_memory(net.layers[-1].weights, net.parameters()["dense_2.weights"])


def test_layers_that_made_no_net_are_free_for_another(either):
    layers = [cnn.Flatten(), cnn.Dense(3), cnn.ReLU]
    with pytest.raises(TypeError):
        cnn.Sequential(layers, input_shape=SHAPE, backend=either)
    cnn.Sequential(layers[:2], input_shape=SHAPE, backend=either)


@pytest.mark.parametrize(
    ("options", "error", "named"),
    [
        ({"dtype": "float16"}, ValueError, "dtype"),
        ({"dtype": "single-ish"}, TypeError, "dtype"),
        ({"backend": "torch"}, ValueError, "backend"),
        ({"input_shape": ()}, ValueError, "input_shape"),
        ({"input_shape": (8, 0, 1)}, ValueError, "input_shape"),
        ({"input_shape": (8, 9.5, 1)}, TypeError, "input_shape"),
        ({"input_shape": 72}, TypeError, "input_shape"),
        ({"seed": -1}, ValueError, "seed"),
        ({"seed": "a"}, TypeError, "seed"),
        ({"layers": cnn.Dense(3)}, TypeError, "layers"),
    ],
)
def test_a_net_of_an_unknown_kind_is_refused(options, error, named):
    with pytest.raises(error, match=f"^{named} must"):
        cnn.Sequential(**({"layers": [cnn.Flatten(), cnn.Dense(3)], "input_shape": SHAPE} | options))


def test_a_layer_that_no_plan_knows_is_refused_when_the_net_is_made():
    class Square(cnn.layers.Layer):
        pass

    with pytest.raises(TypeError, match="Square computes nothing"):
        cnn.Sequential([cnn.Flatten(), Square(), cnn.Dense(3)], input_shape=SHAPE)


def test_the_layers_of_a_net_stay_what_they_were_when_it_was_made(either):
    net = small(backend=either)
    with pytest.raises(AttributeError, match=r"^offset of a Rescaling in a net cannot be changed; make another net$"):
        net.layers[0].offset = 0.5
    with pytest.raises(TypeError):
        net.layers[-1] = cnn.Dense(3)
    net.layers[-1].bias = np.ones(CLASSES, np.float32)  # what is learned may be set
    rescaling = cnn.Rescaling(2.0)
    rescaling.offset = 0.5  # and a layer that is in none may be changed
    assert rescaling.configuration() == {"scale": 2.0, "offset": 0.5}


def test_nets_layers_and_optimisers_show_the_arguments_that_make_them():
    net = cnn.Sequential([cnn.Flatten(), cnn.Dense(3, bias=False)], input_shape=(2, 2, 1), dtype="float64")
    text = "Sequential([\n    Flatten(),\n    Dense(units=3, bias=False),\n], input_shape=(2, 2, 1), dtype='float64')"
    assert repr(net) == text
    names = {name: getattr(cnn, name) for name in ("Sequential", "Flatten", "Dense", "SGD")}
    assert repr(eval(text, names)) == text
    assert repr(eval(repr(cnn.SGD(0.5, momentum=0.9)), names)) == repr(cnn.SGD(0.5, momentum=0.9))


def test_a_layer_of_somebody_else_shows_its_kind():
    class Power(cnn.layers.Layer):
        def __init__(self, exponent):
            super().__init__()
            self.power = exponent

    assert repr(Power(2)) == "Power(...)"
