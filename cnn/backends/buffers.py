"""Flat buffers: all parameters of a net in one array, all gradients in another, all running statistics in a third.

Its layers hold views of them, so that a step may update everything in one pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from cnn_c import empty

from .calls import Learned
from .views import Views

CACHE_LINE = 64  # bytes


if TYPE_CHECKING:

    class HasArrays(Protocol):
        """A layer, as far as its arrays go."""

        parameters: dict[str, np.ndarray]
        gradients: dict[str, np.ndarray]
        statistics: dict[str, np.ndarray]
        memory_order: Any

        def hold(
            self,
            parameters: dict[str, np.ndarray],
            gradients: dict[str, np.ndarray],
            statistics: dict[str, np.ndarray],
        ) -> None:
            """Take these arrays in place of its own."""


def aligned_zeros(size: int, dtype: np.dtype, at: int) -> np.ndarray:
    """Zeros (size,) of which element `at` begins a cache line: a register never lies across two of them then."""
    shift = -at * dtype.itemsize % CACHE_LINE // dtype.itemsize
    zeros = empty((shift + size,), dtype)[shift:]
    zeros[...] = 0
    return zeros


def gather(layers: Sequence[HasArrays], dtype: np.dtype) -> Learned:
    """Move the arrays of all layers into flat buffers, of which the layers hold views afterwards."""
    values = [value for layer in layers for value in layer.parameters.values()]
    ends = np.cumsum([0, *(value.size for value in values)])
    largest = max(range(len(values)), key=lambda i: values[i].size, default=0)
    parameters, gradients = (aligned_zeros(int(ends[-1]), dtype, int(ends[largest])) for _ in range(2))
    held = [value for layer in layers for value in layer.statistics.values()]
    statistics = np.concatenate(held) if held else np.empty(0, dtype)
    start = first = 0
    for layer in layers:
        order = layer.memory_order
        own: tuple[dict[str, np.ndarray], ...] = {}, {}, {}
        for name, value in layer.parameters.items():
            place = slice(start, start + value.size)
            parameters[place] = value.ravel(order=order)
            own[0][name] = parameters[place].reshape(value.shape, order=order)
            own[1][name] = gradients[place].reshape(value.shape, order=order)
            start += value.size
        for name, value in layer.statistics.items():
            own[2][name] = statistics[first : first + value.size]
            first += value.size
        layer.hold(*map(Views, own))
    return Learned(parameters, gradients, statistics)
