"""The shorthand `activation="relu"`: a net makes it the layer behind, and knows nothing of it afterwards."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import cnn
import cnn.reference
from cnn.layers.activation import Elementwise
from cnn.layers.registry import LAYERS
from cnn.layers.weighted import activations
from cnn.storage import description

pytestmark = pytest.mark.usefixtures("one_thread")

SHAPE = (7, 8, 2)
LAYER = {
    "Conv2D": lambda ns, **arguments: ns.Conv2D(4, 3, **arguments),
    "DepthwiseConv2D": lambda ns, **arguments: ns.DepthwiseConv2D(3, **arguments),
    "Dense": lambda ns, **arguments: ns.Dense(5, **arguments),
}
EVERY_WEIGHTED = pytest.mark.parametrize("kind", LAYER)
EITHER = pytest.mark.parametrize("ns", [cnn, cnn.reference], ids=["compiled", "reference"])


def net_with(ns, kind, activation, **options):
    layer = LAYER[kind](ns, activation=activation)
    below = [ns.Flatten()] if kind == "Dense" else []
    return ns.Sequential([*below, layer, ns.Flatten(), ns.Dense(3)], SHAPE, seed=0, **options), layer


def kinds(net) -> list[str]:
    return [type(layer).__name__ for layer in net.layers]


def test_every_activation_that_takes_no_argument_has_a_name():
    assert set(activations().values()) == {kind for kind in LAYERS.values() if issubclass(kind, Elementwise)}
    assert {"relu", "leaky_relu", "sigmoid", "tanh"} <= set(activations())


@EVERY_WEIGHTED
@pytest.mark.parametrize("name", activations())
@EITHER
def test_a_name_is_the_layer_behind(ns, kind, name):
    net, layer = net_with(ns, kind, name)
    place = net.layers.index(layer)
    assert type(net.layers[place + 1]) is activations()[name]
    assert net.layers[place + 1].backend == net.backend
    assert layer.activation is None
    written_out = [type(each)(**each.configuration()) for each in net.layers]
    other = ns.Sequential(written_out, SHAPE, seed=0)
    assert (repr(other), other.layer_names) == (repr(net), net.layer_names)
    x = np.random.default_rng(0).standard_normal((5, *SHAPE))
    assert np.array_equal(net.predict_proba(x), other.predict_proba(x))
    for either in (net, other):
        either.train_on_batch(x, [0, 1, 2, 0, 1], cnn.SGD(0.1))
    assert np.array_equal(net.predict_proba(x), other.predict_proba(x))


@EVERY_WEIGHTED
def test_a_layer_may_be_given_itself(kind):
    activation = cnn.LeakyReLU(0.3)
    net, layer = net_with(cnn, kind, activation)
    assert net.layers[net.layers.index(layer) + 1] is activation
    assert layer.activation is None


@EVERY_WEIGHTED
@pytest.mark.parametrize("none", [None, "linear"])
def test_none_and_linear_are_no_layer(kind, none):
    net, layer = net_with(cnn, kind, none)
    assert type(net.layers[net.layers.index(layer) + 1]) is cnn.Flatten
    assert layer.activation is None


def test_it_is_fused_like_the_layer():
    layers = [cnn.Conv2D(4, 3, activation="relu"), cnn.MaxPool2D(), cnn.Flatten(), cnn.Dense(6, activation="relu")]
    net = cnn.Sequential([*layers, cnn.Dense(3)], SHAPE)
    labels = [o.layers for o in net.executor.plan(8, training=True).operations]
    assert "conv2d_1, relu_1, maxpool2d_1" in labels
    assert "dense_1, relu_2" in labels


def test_files_and_summaries_show_the_layers(tmp_path, capsys):
    net, _ = net_with(cnn, "Conv2D", "tanh")
    net.save(tmp_path / "net")
    loaded = cnn.load(tmp_path / "net")
    assert kinds(loaded) == kinds(net) == ["Conv2D", "Tanh", "Flatten", "Dense"]
    assert all("activation" not in entry for entry in description.describe(net)["layers"])
    net.summary()
    assert "tanh_1" in capsys.readouterr().out


def test_copies_of_a_net_are_nets_of_the_same_layers():
    net, _ = net_with(cnn, "Dense", "relu")
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert repr(twin) == repr(net)


def test_layers_of_a_net_that_could_not_be_made_still_have_their_activations():
    layers = [cnn.Conv2D(4, 3, activation="relu"), cnn.Flatten(), cnn.Dense(3, activation="tanh")]
    with pytest.raises(ValueError, match="kernel of height 3 is larger"):
        cnn.Sequential(layers, (2, 8, 1))
    assert [layers[0].activation, layers[2].activation] == ["relu", "tanh"]
    assert kinds(cnn.Sequential(layers, (5, 8, 1))) == ["Conv2D", "ReLU", "Flatten", "Dense", "Tanh"]


def test_one_activation_cannot_stand_behind_two_layers():
    activation = cnn.ReLU()
    layers = [cnn.Flatten(), cnn.Dense(3, activation=activation), cnn.Dense(3, activation=activation)]
    with pytest.raises(ValueError, match="stands in the net twice"):
        cnn.Sequential(layers, SHAPE)


# ---- a layer by itself -------------------------------------------------------------------------------------


@EVERY_WEIGHTED
@EITHER
def test_a_layer_alone_is_not_built_with_an_activation(ns, kind):
    layer = LAYER[kind](ns, activation="relu")
    shape = (9,) if kind == "Dense" else SHAPE
    with pytest.raises(ValueError, match=f"^a {kind} alone must have no activation, got 'relu'; in a Sequential"):
        layer.build(shape)
    layer.activation = None
    layer.build(shape)
    with pytest.raises(ValueError, match="alone must have no activation"):
        LAYER[kind](ns, activation=ns.Tanh()).build(shape)


@EVERY_WEIGHTED
def test_it_can_be_assigned_until_the_layer_is_in_a_net(kind):
    layer = LAYER[kind](cnn)
    layer.activation = "tanh"
    assert layer.activation == "tanh"
    assert "activation='tanh'" in repr(layer).replace("\n", "")
    with pytest.raises(ValueError, match="did you mean 'relu'"):
        layer.activation = "Relu"
    net = cnn.Sequential([*([cnn.Flatten()] if kind == "Dense" else []), layer, cnn.Flatten()], SHAPE)
    assert "Tanh" in kinds(net)
    with pytest.raises(AttributeError, match=f"^activation of a {kind} in a net cannot be changed"):
        layer.activation = "relu"


@EVERY_WEIGHTED
@EITHER
@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("rellu", r"^activation must be one of .*relu, .*tanh, .*, got 'rellu'; did you mean 'relu'\?$"),
        ("ReLU", r"got 'ReLU'; did you mean 'relu'\?$"),
        ("", "^activation must be one of .*, got ''$"),
        ("step", "^activation must be one of .*, got 'step'"),
        ("softmax", '^activation must not be "softmax": the loss contains the softmax; leave it out$'),
    ],
)
def test_a_name_that_no_activation_has_is_a_value_error(ns, kind, bad, message):
    with pytest.raises(ValueError, match=message):
        LAYER[kind](ns, activation=bad)


@EVERY_WEIGHTED
@EITHER
@pytest.mark.parametrize("bad", [3, True, cnn.ReLU, ["relu"], cnn.Flatten(), np.tanh, b"relu"])
def test_what_is_neither_name_nor_activation_is_a_type_error(ns, kind, bad):
    with pytest.raises(TypeError, match=r'^activation must be a name such as "relu", a layer such as cnn.ReLU\(\), or'):
        LAYER[kind](ns, activation=bad)
