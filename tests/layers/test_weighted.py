"""Weights and biases: how they begin, how they are set."""

from __future__ import annotations

import numpy as np
import pytest

import cnn

from .cases import EVERY_WEIGHTED_LAYER, made, normal

pytestmark = pytest.mark.usefixtures("one_thread")


@EVERY_WEIGHTED_LAYER
def test_a_seed_repeats_the_weights_and_another_does_not(either, name):
    weights = [made(either, name, seed=seed).weights for seed in (1, 1, 2)]
    assert np.array_equal(weights[0], weights[1])
    assert not np.array_equal(weights[0], weights[2])


@pytest.mark.parametrize(
    ("make", "input_shape", "inputs"),
    [
        (lambda: cnn.Conv2D(64, 5), (9, 9, 20), 500),
        (lambda: cnn.Conv2D(64, 5, groups=4), (9, 9, 20), 125),
        (lambda: cnn.DepthwiseConv2D(7), (9, 9, 200), 49),
        (lambda: cnn.Dense(200), (300,), 300),
    ],
)
def test_weights_are_normal_with_a_variance_of_two_over_the_inputs(dtype, make, input_shape, inputs):
    layer = make().build(input_shape, dtype=dtype, seed=0)
    weights = layer.weights.astype(np.float64) / np.sqrt(2 / inputs)
    # The mean and the variance of m normal numbers vary by 1 / sqrt(m) and sqrt(2 / m); five times that.
    assert abs(weights.mean()) < 5 / np.sqrt(weights.size)
    assert abs(weights.var() - 1) < 5 * np.sqrt(2 / weights.size)
    assert not layer.bias.any()


@EVERY_WEIGHTED_LAYER
def test_assigned_parameters_are_copied_and_used(ns, dtype, name):
    layer = made(ns, name, dtype)
    x = normal(3, (2, *layer.input_shape), dtype)
    for key, array in list(layer.parameters.items()):
        value = normal(4, array.shape, dtype)
        setattr(layer, key, value)
        assert getattr(layer, key) is array
        assert np.array_equal(array, value)
        before = layer.forward(x)
        value[...] = 0
        assert np.array_equal(layer.forward(x), before)
        setattr(layer, key, value)
        assert not np.array_equal(layer.forward(x), before)


@EVERY_WEIGHTED_LAYER
def test_a_parameter_of_another_shape_or_dtype_is_a_value_error_and_changes_nothing(either, name):
    layer = made(either, name, "float32")
    for key, array in layer.parameters.items():
        before = array.copy()
        for bad in (
            np.zeros(array.shape, "float64"),
            np.zeros(array.shape, int),
            np.zeros((*array.shape, 1), "float32"),
            np.zeros(array.shape[::-1] if array.ndim > 1 else array.size + 1, "float32"),
            np.float32(0),
        ):
            with pytest.raises(ValueError, match=f"{key} must have shape .* float32, got") as error:
                setattr(layer, key, bad)
            assert str(array.shape) in str(error.value)
            assert str(bad.shape) in str(error.value)
        for bad in (None, "zeros", np.ma.masked_array(array, mask=True)):
            with pytest.raises(TypeError, match=key):
                setattr(layer, key, bad)
        assert np.array_equal(array, before)


@pytest.mark.parametrize("name", ["convolution without a bias", "dense without a bias"])
def test_a_layer_without_a_bias_has_none(either, name):
    layer = made(either, name)
    assert layer.bias is None
    assert list(layer.parameters) == ["weights"]
    with pytest.raises(ValueError, match="bias=False"):
        layer.bias = np.zeros(3)
