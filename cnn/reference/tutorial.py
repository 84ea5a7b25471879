"""The layers of the "CNN from scratch in NumPy" tutorial in NumPy alone, one image and one region at a time.

`cnn.Conv3x3`, `cnn.MaxPool2` and `cnn.Softmax` give the same numbers thousands of times faster; here one can
read what they compute. What each takes, gives and raises is said once, in `cnn/layers/tutorial.py`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import SupportsFloat, SupportsIndex

import numpy as np
from numpy.typing import ArrayLike

from ..backends import checks
from ..backends.annotations import DType
from ..backends.tables import call
from ..layers import tutorial
from .twins import documented_as


@documented_as(tutorial.Conv3x3)
class Conv3x3:
    def __init__(self, num_filters: SupportsIndex, dtype: DType = np.float64) -> None:
        self.num_filters = checks.integer("num_filters", num_filters, minimum=1)
        self.dtype = checks.dtype(dtype)
        # Values around 1/9 keep the output, a sum over nine pixels, near the input's scale.
        self._filters = (np.random.randn(self.num_filters, 3, 3) / 9).astype(self.dtype)  # noqa: NPY002
        self.last_input: np.ndarray | None = None

    def __repr__(self) -> str:
        return call(type(self), {"num_filters": self.num_filters, "dtype": self.dtype.name})

    @property
    def filters(self) -> np.ndarray:
        return self._filters

    @filters.setter
    def filters(self, value: ArrayLike) -> None:
        self._filters[...] = checks.parameter("filters", value, self._filters)

    def iterate_regions(self, image: ArrayLike) -> Iterator[tuple[np.ndarray, int, int]]:
        image = checks.array("image", image)
        checks.shape("image", image, (None, None), "(h, w)")
        h, w = image.shape
        return ((image[i : i + 3, j : j + 3], i, j) for i in range(h - 2) for j in range(w - 2))

    def forward(self, image: ArrayLike) -> np.ndarray:
        image = checks.real("image", image, self.dtype)
        checks.not_colour("image", image.shape)
        if image.ndim not in (2, 3):
            raise ValueError(f"image must have shape (h, w) or (n, h, w), got {image.shape}")
        *batch, h, w = image.shape
        if h < 3 or w < 3:
            raise ValueError(f"image must be at least 3x3, the size of the filters, got {h}x{w}")
        output = np.empty((*batch, h - 2, w - 2, self.num_filters), self.dtype)
        for one, out in zip(_each(image, 2), _each(output, 3), strict=True):
            for region, i, j in self.iterate_regions(one):
                out[i, j] = np.sum(region * self._filters, axis=(1, 2))
        self.last_input = image
        return output

    def backprop(self, d_L_d_out: ArrayLike, learn_rate: SupportsFloat) -> None:
        last_input = _last_input(self)
        *batch, h, w = last_input.shape
        d_L_d_out = _gradient(d_L_d_out, (*batch, h - 2, w - 2, self.num_filters), self.dtype)
        learn_rate = checks.number("learn_rate", learn_rate)
        d_L_d_filters = np.zeros_like(self._filters)
        for image, gradient in zip(_each(last_input, 2), _each(d_L_d_out, 3), strict=True):
            for region, i, j in self.iterate_regions(image):
                for f in range(self.num_filters):
                    d_L_d_filters[f] += gradient[i, j, f] * region
        self._filters -= learn_rate * d_L_d_filters


@documented_as(tutorial.MaxPool2)
class MaxPool2:
    def __init__(self) -> None:
        self.last_input: np.ndarray | None = None

    def __repr__(self) -> str:
        return call(type(self), {})

    def iterate_regions(self, image: ArrayLike) -> Iterator[tuple[np.ndarray, int, int]]:
        image = checks.array("image", image)
        checks.shape("image", image, (None, None, None), "(h, w, f)")
        h, w, _ = image.shape
        return ((image[2 * i : 2 * i + 2, 2 * j : 2 * j + 2], i, j) for i in range(h // 2) for j in range(w // 2))

    def forward(self, input: ArrayLike) -> np.ndarray:
        input = checks.real("input", input)
        if input.ndim not in (3, 4):
            raise ValueError(f"input must have shape (h, w, f) or (n, h, w, f), got {input.shape}")
        *batch, h, w, num_filters = input.shape
        if h < 2 or w < 2:
            raise ValueError(f"input must be at least 2x2, the size of a window, got {h}x{w}")
        output = np.empty((*batch, h // 2, w // 2, num_filters), input.dtype)
        for image, out in zip(_each(input, 3), _each(output, 3), strict=True):
            for region, i, j in self.iterate_regions(image):
                out[i, j] = np.amax(region, axis=(0, 1))
        self.last_input = input
        return output

    def backprop(self, d_L_d_out: ArrayLike) -> np.ndarray:
        last_input = _last_input(self)
        *batch, h, w, num_filters = last_input.shape
        d_L_d_out = _gradient(d_L_d_out, (*batch, h // 2, w // 2, num_filters), last_input.dtype)
        d_L_d_input = np.zeros_like(last_input)
        images, gradients, d_images = (_each(array, 3) for array in (last_input, d_L_d_out, d_L_d_input))
        for image, gradient, d_image in zip(images, gradients, d_images, strict=True):
            for region, i, j in self.iterate_regions(image):
                maxima = np.amax(region, axis=(0, 1))
                for row in range(2):
                    for column in range(2):
                        for f in range(num_filters):
                            if region[row, column, f] == maxima[f]:
                                d_image[2 * i + row, 2 * j + column, f] = gradient[i, j, f]
        return d_L_d_input


@documented_as(tutorial.Softmax)
class Softmax:
    def __init__(self, input_len: SupportsIndex, nodes: SupportsIndex, dtype: DType = np.float64) -> None:
        self.input_len = checks.integer("input_len", input_len, minimum=1)
        self.nodes = checks.integer("nodes", nodes, minimum=1)
        self.dtype = checks.dtype(dtype)
        weights = np.random.randn(self.input_len, self.nodes) / self.input_len  # noqa: NPY002
        self._weights = weights.astype(self.dtype)
        self._biases = np.zeros(self.nodes, self.dtype)
        self.last_input: np.ndarray | None = None
        self.last_input_shape: tuple[int, ...] | None = None  # before it was flattened
        self.last_totals: np.ndarray | None = None
        self._last_output = np.empty((0, self.nodes), self.dtype)

    def __repr__(self) -> str:
        return call(type(self), {"input_len": self.input_len, "nodes": self.nodes, "dtype": self.dtype.name})

    @property
    def weights(self) -> np.ndarray:
        return self._weights

    @weights.setter
    def weights(self, value: ArrayLike) -> None:
        self._weights[...] = checks.parameter("weights", value, self._weights)

    @property
    def biases(self) -> np.ndarray:
        return self._biases

    @biases.setter
    def biases(self, value: ArrayLike) -> None:
        self._biases[...] = checks.parameter("biases", value, self._biases)

    def forward(self, input: ArrayLike) -> np.ndarray:
        input = checks.real("input", input, self.dtype)
        is_batch = input.ndim > 1 and math.prod(input.shape[1:]) == self.input_len
        if not is_batch and input.size != self.input_len:
            raise ValueError(
                f"input must have {self.input_len} elements, or be a batch of such, got shape {input.shape}"
            )
        rows = input.reshape(-1, self.input_len)
        totals, output = (np.empty((len(rows), self.nodes), self.dtype) for _ in range(2))
        for row, total, out in zip(rows, totals, output, strict=True):
            total[:] = np.dot(row, self._weights) + self._biases
            exponentials = np.exp(total - np.max(total))  # at most 1: no total is too large
            out[:] = exponentials / np.sum(exponentials)
        self.last_input_shape = input.shape
        self.last_input, self.last_totals, self._last_output = (
            (rows, totals, output) if is_batch else (rows[0], totals[0], output[0])
        )
        return self._last_output.copy()

    def backprop(self, d_L_d_out: ArrayLike, learn_rate: SupportsFloat) -> np.ndarray:
        last_input = _last_input(self)
        d_L_d_out = _gradient(d_L_d_out, self._last_output.shape, self.dtype)
        learn_rate = checks.number("learn_rate", learn_rate)
        d_L_d_weights, d_L_d_biases = np.zeros_like(self._weights), np.zeros_like(self._biases)
        d_L_d_input = np.empty_like(last_input)
        rows, d_rows, probabilities, gradients = (
            _each(array, 1) for array in (last_input, d_L_d_input, self._last_output, d_L_d_out)
        )
        for row, d_row, p, d_p in zip(rows, d_rows, probabilities, gradients, strict=True):
            jacobian = np.diag(p) - np.outer(p, p)  # of the probabilities for the totals; symmetric
            d_L_d_totals = jacobian @ d_p
            d_L_d_weights += np.outer(row, d_L_d_totals)
            d_L_d_biases += d_L_d_totals
            d_row[:] = self._weights @ d_L_d_totals
        self._weights -= learn_rate * d_L_d_weights
        self._biases -= learn_rate * d_L_d_biases
        assert self.last_input_shape is not None
        return d_L_d_input.reshape(self.last_input_shape)


def _each(array: np.ndarray, ndim: int) -> np.ndarray:
    """A view to loop over: the items, of `ndim` dimensions, of a batch; or the one item that `array` is."""
    return array if array.ndim > ndim else array[np.newaxis]


def _last_input(layer: Conv3x3 | MaxPool2 | Softmax) -> np.ndarray:
    if layer.last_input is None:
        raise RuntimeError(f"{type(layer).__name__}.backprop needs a forward before it")
    return layer.last_input


def _gradient(d_L_d_out: ArrayLike, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    d_L_d_out = checks.real("d_L_d_out", d_L_d_out, dtype)
    checks.shape("d_L_d_out", d_L_d_out, shape, "the shape of the last output")
    return d_L_d_out
