"""Layers as somebody would write them for a net: with and without parameters, statistics and another shape."""

from __future__ import annotations

import numpy as np

import cnn


class Scale(cnn.Layer):
    """A factor for each channel, which is learned."""

    def __init__(self, first=1.0):
        self.first = first

    def initial_parameters(self, rng):
        return {"factor": np.full(self.input_shape[-1], self.first)}

    def apply(self, x, training):
        return x * self.parameters["factor"], x.copy()

    def apply_gradient(self, dy, x):
        self.gradients["factor"][...] = (dy * x).sum(axis=tuple(range(x.ndim - 1)))
        return dy * self.parameters["factor"]


class Standardised(cnn.Layer):
    """Divides by a running size, which only statistics hold."""

    def initial_statistics(self):
        return {"size": np.ones(1)}

    def apply(self, x, training):
        size = self.statistics["size"]
        if training and self.trainable:
            size[...] = 0.75 * size + 0.25 * np.abs(x).mean()
        return x / size, size.copy()

    def apply_gradient(self, dy, size):
        return dy / size


class Shift(cnn.Layer):
    """Without parameters: below everything that learns nobody needs its gradient."""

    gradients_asked_for = 0

    def apply(self, x, training):
        return x + 0.25, None

    def apply_gradient(self, dy, kept):
        Shift.gradients_asked_for += 1
        return dy


class Negative(cnn.Layer):
    """Another shape: the channels, and their negatives beside them."""

    def infer_output_shape(self, input_shape):
        return (*input_shape[:-1], 2 * input_shape[-1])

    def apply(self, x, training):
        return np.concatenate([x, -x], axis=-1), None

    def apply_gradient(self, dy, kept):
        one, other = np.split(dy, 2, axis=-1)
        return one - other


class Clamped(cnn.Layer):
    """Numbers outside of -2 .. 2 are cut off."""

    def apply(self, x, training):
        return np.clip(x, -2, 2), np.abs(x) <= 2

    def apply_gradient(self, dy, inside):
        return dy * inside


class Halves(cnn.Layer):
    """As Rescaling(0.5)."""

    def apply(self, x, training):
        return x * x.dtype.type(0.5), None

    def apply_gradient(self, dy, kept):
        return dy * dy.dtype.type(0.5)


class Flat(cnn.Layer):
    """As Flatten."""

    def infer_output_shape(self, input_shape):
        return (int(np.prod(input_shape)),)

    def apply(self, x, training):
        return x.reshape(len(x), -1), None

    def apply_gradient(self, dy, kept):
        return dy.reshape(len(dy), *self.input_shape)


class NumpyReLU(cnn.Layer):
    """As ReLU."""

    def apply(self, x, training):
        return np.maximum(x, 0), x > 0

    def apply_gradient(self, dy, positive):
        return np.where(positive, dy, dy.dtype.type(0))


class OverriddenReLU(cnn.ReLU):
    """A ReLU that counts how often a net calls it."""

    calls = 0

    def apply(self, x, training):
        OverriddenReLU.calls += 1
        return super().apply(x, training)
