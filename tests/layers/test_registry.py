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


class MyReLU(cnn.ReLU):
    def apply(self, x, training):
        return x, x


class Square(cnn.Layer):
    def apply(self, x, training):
        return x * x, x

    def apply_gradient(self, dy, x):
        return 2 * dy * x


class Later(cnn.MaxPool2D):
    pass


class Louder(cnn.reference.Dense):
    def initial_parameters(self, rng):
        return {key: 2 * value for key, value in super().initial_parameters(rng).items()}


def test_a_subclass_that_overrides_what_is_computed_is_a_layer_in_python_and_any_other_is_its_parent():
    for kind in (
        MyReLU,
        Square,
        type("Wider", (cnn.reference.ReLU,), {"infer_output_shape": lambda self, shape: shape}),
    ):
        assert kind.in_python
        assert registry.original(kind) is None
    for kind, parent in ((Later, cnn.MaxPool2D), (Louder, cnn.Dense), (type("Mine", (Later,), {}), cnn.MaxPool2D)):
        assert not kind.in_python
        assert registry.original(kind) is parent


def test_a_subclass_that_is_its_parent_is_planned_as_that_one(either):
    net = either.Sequential([either.Conv2D(3, 3), Later(2), either.Flatten(), Louder(5)], (6, 6, 1), seed=0)
    plain = either.Sequential(
        [either.Conv2D(3, 3), cnn.MaxPool2D(2), either.Flatten(), cnn.Dense(5)], (6, 6, 1), seed=0
    )
    assert [o.kind for o in net.executor.plan(4, True).operations] == [
        o.kind for o in plain.executor.plan(4, True).operations
    ]
    assert np.array_equal(net.layers[3].weights, 2 * plain.layers[3].weights)


def test_a_subclass_may_be_used_alone():
    x = np.array([[-1.0, 2.0]])
    assert MyReLU().build((2,), dtype="float64").forward(x).tolist() == [[-1, 2]]


@pytest.mark.parametrize("name", ["forward", "backward"])
def test_a_subclass_that_overrides_what_no_net_calls_is_a_type_error(name):
    with pytest.raises(TypeError, match=rf"^Mine overrides {name}, which no net calls; override apply and "):
        type("Mine", (cnn.ReLU,), {name: lambda self, x: x})


@pytest.mark.parametrize("backend", ["compiled", "numpy"])
def test_a_layer_that_computes_nothing_is_a_type_error(backend):
    class Nothing(cnn.Layer):
        pass

    with pytest.raises(
        TypeError, match=r"^layers\[1\]: Nothing computes nothing: a layer needs apply and apply_gradient$"
    ):
        cnn.Sequential([cnn.Flatten(), Nothing(), cnn.Dense(3)], (2, 2, 1), backend=backend)
