"""Attributes of layers that are assigned: what counts may be, all else is an AttributeError with the nearest name."""

from __future__ import annotations

import numpy as np
import pytest

import cnn
import cnn.reference

from .cases import EVERY_LAYER, LAYERS


@pytest.mark.parametrize(
    ("make", "name", "message"),
    [
        (lambda ns: ns.Conv2D(3, 3), "filtres", r"^Conv2D has no attribute 'filtres'; did you mean 'filters'\?$"),
        (lambda ns: ns.Dense(3), "frozen", "'frozen'; known are units, activation, bias, weights$"),
        (lambda ns: ns.Dense(3), "wieghts", r"did you mean 'weights'\?$"),
        (lambda ns: ns.Dropout(0.5), "forward", "^forward of Dropout cannot be assigned; what can is rate$"),
    ],
)
@pytest.mark.parametrize("in_net", [False, True])
def test_an_attribute_that_there_is_not_cannot_be_assigned(either, make, name, message, in_net):
    layer = make(either)
    if in_net:
        shape = (5, 5, 1) if isinstance(layer, cnn.Conv2D) else (5,)
        either.Sequential([layer, either.Flatten(), either.Dense(3)], shape)
    with pytest.raises(AttributeError, match=message):
        setattr(layer, name, 9)


@EVERY_LAYER
def test_what_every_layer_is_made_of_can_be_assigned_until_it_is_in_a_net(either, name):
    make, input_shape = LAYERS[name]
    layer = make(either)
    for argument, value in layer.configuration().items():
        if argument != "bias":
            setattr(layer, argument, value)
    layer.build(input_shape)
    layer.stream = None


class Power(cnn.layers.Layer):
    """A layer of somebody else's."""

    def __init__(self, exponent):
        super().__init__()
        self.power = exponent
        self.calls = 0

    def apply(self, x, training):
        self.calls += 1
        return x**self.power, x


def test_a_layer_of_somebody_else_has_attributes_of_its_own():
    layer = Power(2).build((3,))
    assert layer.forward([[1, 2, 3]]).tolist() == [[1, 4, 9]]
    assert layer.calls == 1
    layer.note = "mine"


def test_in_a_net_it_has_others_too_and_those_that_the_net_has_taken_stay():
    layer = Power(2)
    layer.apply_gradient = None
    net = cnn.Sequential([layer, cnn.Dense(2)], (3,))
    net.predict(np.ones((2, 3)))
    assert layer.calls == 1
    layer.calls, layer.power, layer.note = 7, 3, "mine"
    with pytest.raises(AttributeError, match=r"^input_shape of a Power in a net cannot be changed; make another net$"):
        layer.input_shape = (4,)


@EVERY_LAYER
def test_every_layer_can_be_frozen_at_any_time_with_true_or_false_alone(either, name):
    make, input_shape = LAYERS[name]
    layer = make(either).build(input_shape)
    assert layer.trainable
    for value in (False, np.True_):
        layer.trainable = value
        assert layer.trainable is bool(value)
    with pytest.raises(TypeError, match=r"^trainable must be True or False, got 0$"):
        layer.trainable = 0
