"""Elementwise layers: what their base makes of two functions and the constructor's numbers."""

from __future__ import annotations

import numpy as np
import pytest

import cnn
from cnn.backends.numpy.operations import NUMPY_OPERATIONS, numpy_operation
from cnn.backends.program import Layout
from cnn.layers.activation import Elementwise


@pytest.fixture
def leaky(monkeypatch):
    """An elementwise layer of one argument, for NumPy."""
    for name in ("leaky_forward", "leaky_backward"):
        monkeypatch.setattr(NUMPY_OPERATIONS, name, None, raising=False)  # taken away again after the test

    @numpy_operation
    def leaky_forward(x, slope):
        return np.where(x > 0, x, slope * x)

    @numpy_operation
    def leaky_backward(dy, y, slope):
        return np.where(y > 0, dy, slope * dy)

    class Leaky(Elementwise):
        operation, backend = "leaky", "numpy"

        def __init__(self, slope):
            super().__init__()
            self.slope = slope

    return Leaky


def test_two_functions_make_an_elementwise_layer(leaky):
    layer = leaky(0.5).build((3,), dtype="float64")
    assert layer.forward(np.array([[-2, 0, 4]])).tolist() == [[-1, 0, 4]]
    assert layer.backward(np.array([[1, 2, 3]])).tolist() == [[0.5, 1, 3]]
    assert repr(layer) == "Leaky(slope=0.5)"


def test_the_second_function_takes_the_input_where_it_needs_that(leaky):
    class Upside(leaky):
        keeps_input = True

    layer = Upside(-1.0).build((2,), dtype="float64")  # whose outputs have one sign alone
    assert layer.forward(np.array([[-2, 4]])).tolist() == [[2, 4]]
    assert layer.backward(np.array([[1, 1]])).tolist() == [[-1, 1]]


def test_an_elementwise_layer_is_an_operation_of_its_name_that_takes_its_numbers(leaky):
    lowering = leaky(0.25).lower([], [], training=True)
    assert (lowering.kind, lowering.layers, lowering.in_place) == ("leaky", 1, True)
    assert lowering.geometry(Layout(), Layout(), 1) == (0.25,)
    assert cnn.ReLU().lower([], [], training=False).geometry(Layout(), Layout(), 1) == ()
