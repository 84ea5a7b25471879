"""The list of the package's layers, and which classes a net takes for one of them."""

from __future__ import annotations

import numpy as np
import pytest

import cnn
import cnn.layers
import cnn.reference
from cnn.layers import registry

from .cases import LAYERS


def test_every_layer_is_exported_where_its_name_is_looked_for():
    assert {"Layer", *registry.LAYERS} == set(cnn.layers.__all__)
    for name, layer in registry.LAYERS.items():
        assert layer.__name__ == name
        assert getattr(cnn, name) is getattr(cnn.layers, name) is layer


def test_every_layer_has_a_docstring_and_a_case_in_these_tests():
    assert {type(make(cnn)) for make, _ in LAYERS.values()} == set(registry.LAYERS.values())
    assert all(vars(layer)["__doc__"] for layer in registry.LAYERS.values())


@pytest.mark.parametrize("name", registry.LAYERS)
def test_a_layer_and_its_twin_are_known_as_the_layer(name):
    layer, twin = registry.LAYERS[name], getattr(cnn.reference, name)
    assert twin is not layer
    assert registry.original(layer) is registry.original(twin) is layer
    assert registry.begins_with([layer.__new__(twin)], layer)
    assert not registry.begins_with([], layer)


def test_a_subclass_is_not_its_parent():
    for parent in (cnn.ReLU, cnn.reference.ReLU):
        with pytest.raises(TypeError, match=r"MyReLU changes cnn\.ReLU and would be ignored; use cnn\.ReLU itself"):
            registry.original(type("MyReLU", (parent,), {}))
    with pytest.raises(TypeError, match="Square is none of them"):
        registry.original(type("Square", (cnn.layers.Layer,), {}))


class MyReLU(cnn.ReLU):
    def apply(self, x, training):
        return x, x


class Wider(cnn.ReLU):
    """It gives more numbers than it takes."""

    def infer_output_shape(self, input_shape):
        return (*input_shape[:-1], 1000 * input_shape[-1])


class Later(cnn.MaxPool2D):
    pass


class Louder(cnn.reference.Dense):
    def initial_parameters(self, rng):
        return {key: 2 * value for key, value in super().initial_parameters(rng).items()}


@pytest.mark.parametrize("backend", ["compiled", "numpy"])
@pytest.mark.parametrize(
    ("make", "parent"), [(MyReLU, "ReLU"), (Wider, "ReLU"), (Later, "MaxPool2D"), (lambda: Louder(5), "Dense")]
)
def test_a_net_refuses_a_subclass_and_says_what_to_do(backend, make, parent):
    layer = make()
    layers = [layer] if isinstance(layer, cnn.MaxPool2D) else [cnn.Flatten(), layer]
    message = (
        rf"layers\[{len(layers) - 1}\]: a net holds the package's own layers only; {type(layer).__name__} changes "
        rf"cnn\.{parent} and would be ignored; use cnn\.{parent} itself, or call {type(layer).__name__} outside of it"
    )
    with pytest.raises(TypeError, match=message):
        cnn.Sequential([*layers, cnn.Flatten(), cnn.Dense(3)], (4, 4, 2), backend=backend)


def test_a_subclass_may_be_used_alone():
    x = np.array([[-1.0, 2.0]])
    assert MyReLU().build((2,), dtype="float64").forward(x).tolist() == [[-1, 2]]


@pytest.mark.parametrize("backend", ["compiled", "numpy"])
def test_a_layer_of_somebody_else_is_refused_with_the_list_of_those_there_are(backend):
    class Square(cnn.layers.Layer):
        def apply(self, x, training):
            return x * x, x

    with pytest.raises(TypeError, match=r"layers\[1\]: .* ReLU, .* Square is none of them; call it outside"):
        cnn.Sequential([cnn.Flatten(), Square(), cnn.Dense(3)], (2, 2, 1), backend=backend)
