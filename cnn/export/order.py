"""The order of the numbers in a flattened map: rows, columns, channels here; channels, rows, columns in other formats.

Where a dense layer takes them, its weights are written in the other order, and no map has to be transposed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ..layers.activation import Elementwise
from ..layers.base import Layer
from ..layers.batchnorm import BatchNorm
from ..layers.dense import Dense
from ..layers.dropout import Dropout
from ..layers.reshape import Flatten, Rescaling

_SAME_IN_ANY_ORDER = (Elementwise, Dropout, Flatten, Rescaling)


def flattened(shape: Sequence[int], axes: Sequence[int]) -> np.ndarray | None:
    """Which number of a flattened map each is, once the map's axes are transposed to the order `axes`.

    Parameters
    ----------
    shape : (h, w, c), or any other
    axes : a permutation of the axes
        (2, 0, 1) for channels first.

    Returns
    -------
    array (h * w * c,) of int64, or None
        None where nothing changes its place.
    """
    places = np.arange(math.prod(shape))
    order = places.reshape(shape).transpose(axes).ravel()
    return None if np.array_equal(order, places) else order


def reaches_dense(above: Sequence[Layer]) -> bool:
    """Whether a row passes only layers that change each number by itself, until a dense layer takes it."""
    for layer in above:
        if isinstance(layer, Dense):
            return True
        if not isinstance(layer, _SAME_IN_ANY_ORDER) or layer.in_python:
            return False
    return False


def check_channels(layer: Layer, name: str) -> None:
    """ValueError for a layer whose channels would be another axis where they come first."""
    if isinstance(layer, BatchNorm) and len(layer.input_shape) not in (1, 3):
        raise ValueError(
            f"{name} must normalise maps (h, w, c) or rows (inputs,) where channels come first, got {layer.input_shape}"
        )
