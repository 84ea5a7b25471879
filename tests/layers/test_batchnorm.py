"""Normalisation: moments, gradients, running statistics, predictions."""

from __future__ import annotations

import numpy as np
import pytest

import cnn.reference

from .cases import (
    EVERY_NORMALISATION,
    assert_gradients_are_differences,
    made,
    normal,
)

pytestmark = pytest.mark.usefixtures("one_thread")


@EVERY_NORMALISATION
def test_every_channel_is_brought_to_beta_and_gamma(ns, dtype, name):
    layer = made(ns, name, dtype)
    layer.gamma[...], layer.beta[...] = normal(1, layer.gamma.shape), normal(2, layer.beta.shape)
    offset = 1000.0 * np.arange(1, layer.gamma.size + 1)  # far from zero, where a careless variance would be lost
    x = (normal(3, (50, *layer.input_shape)) * 7 + offset).astype(dtype)
    y = layer.forward(x).astype(np.float64).reshape(-1, layer.gamma.size)
    variance = x.astype(np.float64).reshape(y.shape).var(axis=0)
    # Computed in float64 and rounded once: a mean and a deviation are off by less than the largest such rounding. In
    # float64 the mean of n values has n roundings, of numbers up to the offset, over a deviation of about seven.
    largest = np.abs(y).max()
    tolerance = np.finfo(dtype).eps * largest + len(y) * np.finfo(float).eps * offset * np.abs(layer.gamma)
    assert (np.abs(y.mean(axis=0) - layer.beta) <= tolerance).all()
    deviation = np.abs(layer.gamma) * np.sqrt(variance / (variance + layer.epsilon))
    assert (np.abs(y.std(axis=0) - deviation) <= tolerance).all()


@EVERY_NORMALISATION
def test_a_step_of_a_normalisation_is_that_of_float64_rounded(ns, dtype, name):
    layer, exact = made(ns, name, dtype), made(cnn.reference, name)
    for one in (layer, exact):
        one.gamma[...], one.beta[...] = normal(1, one.gamma.shape, dtype), normal(2, one.beta.shape, dtype)
    x, dy = normal(3, (5, *layer.input_shape), dtype), normal(4, (5, *layer.output_shape), dtype)
    np.testing.assert_array_equal(layer.forward(x), exact.forward(x).astype(dtype), strict=True)
    dx = exact.backward(dy)
    np.testing.assert_array_equal(layer.backward(dy), dx.astype(dtype), strict=True)
    for key, value in layer.gradients.items():
        np.testing.assert_array_equal(value, exact.gradients[key].astype(dtype), strict=True)


@EVERY_NORMALISATION
def test_gradients_of_a_normalisation_are_finite_differences(ns, name):
    layer = made(ns, name)
    assert_gradients_are_differences(layer, 1e-5)


@pytest.mark.parametrize("momentum", [0.0, 0.75, 0.9, 1.0])
@pytest.mark.parametrize("shape", [(3, 4, 2), (6,)])
def test_running_statistics_follow_those_of_the_batches(ns, dtype, momentum, shape):
    layer = ns.BatchNorm(momentum=momentum).build(shape, dtype=dtype)
    mean, variance = np.zeros(shape[-1]), np.ones(shape[-1])
    for seed in range(3):
        x = (normal(seed, (7, *shape)) * 3 + 1).astype(dtype)
        rows = x.astype(np.float64).reshape(-1, shape[-1])
        mean = momentum * mean + (1 - momentum) * rows.mean(axis=0)
        variance = momentum * variance + (1 - momentum) * rows.var(axis=0, ddof=1)
        layer.forward(x)
        layer.forward(x, training=False)  # which teaches them nothing
    # Every step rounds three times, of numbers up to 20; the mean and variance of a batch are summed in float64.
    tolerance = 9 * 20 * np.finfo(dtype).eps + 7 * 12 * 20 * np.finfo(float).eps
    assert (layer.statistics["mean"].dtype, layer.statistics["variance"].dtype) == (dtype, dtype)
    np.testing.assert_allclose(layer.statistics["mean"], mean, rtol=0, atol=tolerance)
    np.testing.assert_allclose(layer.statistics["variance"], variance, rtol=0, atol=tolerance)


@EVERY_NORMALISATION
def test_a_prediction_normalises_with_the_running_statistics(ns, dtype, name):
    layer = made(ns, name, dtype)
    x = normal(0, (3, *layer.input_shape), dtype)
    # Mean 0 and variance 1 to begin with.
    exact = x / np.sqrt(1 + layer.epsilon)
    np.testing.assert_allclose(layer.forward(x, training=False), exact, rtol=2 * np.finfo(dtype).eps)
    mean, variance = normal(1, layer.gamma.shape, dtype), np.abs(normal(2, layer.gamma.shape, dtype))
    layer.statistics["mean"][...], layer.statistics["variance"][...] = mean, variance
    layer.gamma[...], layer.beta[...] = normal(3, mean.shape, dtype), normal(4, mean.shape, dtype)
    inverse = 1 / np.sqrt(variance.astype(np.float64) + layer.epsilon)
    exact = (x.astype(np.float64) - mean) * inverse * layer.gamma + layer.beta
    magnitude = (np.abs(x.astype(np.float64)) + np.abs(mean)) * inverse * np.abs(layer.gamma) + np.abs(layer.beta)
    alone = [layer.forward(x[i : i + 1], training=False) for i in range(3)]
    assert (np.abs(np.concatenate(alone) - exact) <= 8 * np.finfo(dtype).eps * magnitude).all()
    assert layer.forward(x, training=False).tobytes() == np.concatenate(alone).tobytes()


def test_one_row_alone_is_its_own_mean_and_gives_beta(ns, dtype):
    layer = ns.BatchNorm(momentum=0.5).build((4,), dtype=dtype)
    layer.beta[...] = [1, 2, 3, 4]
    x = np.array([[5, -6, 7, 0]])
    assert layer.forward(x).tolist() == [[1, 2, 3, 4]]
    assert layer.backward(np.ones((1, 4))).tolist() == [[0, 0, 0, 0]]
    assert layer.gradients["gamma"].tolist() == [0, 0, 0, 0]
    assert layer.gradients["beta"].tolist() == [1, 1, 1, 1]
    assert layer.statistics["mean"].tolist() == [2.5, -3, 3.5, 0]
    assert layer.statistics["variance"].tolist() == [0.5] * 4


def test_a_batch_of_no_images_teaches_the_running_statistics_nothing(ns, dtype):
    layer = made(ns, "normalisation", dtype)
    layer.forward(np.zeros((0, *layer.input_shape)))
    assert layer.statistics["mean"].tolist() == [0, 0]
    assert layer.statistics["variance"].tolist() == [1, 1]


def test_nan_stays_in_its_channel(ns, dtype):
    layer = made(ns, "normalisation", dtype)
    x = normal(0, (3, *layer.input_shape), dtype)
    x[1, 2, 0, 1] = np.nan
    y = layer.forward(x)
    assert np.isnan(y[..., 1]).all()
    assert np.isfinite(y[..., 0]).all()
