"""Nets ready made, for 28x28 images of ten classes in uint8: the three of the benchmarks, and an accurate one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .layers import Conv2D, Dense, Dropout, Flatten, MaxPool2D, ReLU, Rescaling
from .nets.sequential import Sequential

if TYPE_CHECKING:
    from .backends.annotations import DType, Seed

_MNIST = (28, 28, 1)


def tutorial(seed: Seed = None, dtype: DType = "float32") -> Sequential:
    """The tutorial's net: one convolution of 8 filters of 3x3, max pooling, dense; softmax comes with the loss.

    Parameters
    ----------
    seed : int or None
        Of the initial parameters.
    dtype : "float32" or "float64"

    Raises
    ------
    TypeError, ValueError
        A seed or dtype that is none.
    """
    layers = [
        Rescaling(1 / 255, -0.5),
        Conv2D(8, 3, bias=False), MaxPool2D(2),
        Flatten(), Dense(10),
    ]  # fmt: skip
    return Sequential(layers, input_shape=_MNIST, dtype=dtype, seed=seed)


def two_conv(seed: Seed = None, dtype: DType = "float32") -> Sequential:
    """Two convolutions of 8 and 16 filters of 3x3 with ReLU and pooling, dense layers of 128 and 10.

    Parameters
    ----------
    seed : int or None
        Of the initial parameters.
    dtype : "float32" or "float64"

    Raises
    ------
    TypeError, ValueError
        A seed or dtype that is none.
    """
    layers = [
        Rescaling(1 / 255, -0.5),
        Conv2D(8, 3, padding="same"), ReLU(), MaxPool2D(2),
        Conv2D(16, 3, padding="same"), ReLU(), MaxPool2D(2),
        Flatten(), Dense(128), ReLU(), Dense(10),
    ]  # fmt: skip
    return Sequential(layers, input_shape=_MNIST, dtype=dtype, seed=seed)


def lenet5(seed: Seed = None, dtype: DType = "float32") -> Sequential:
    """LeNet-5 with ReLU and max pooling (LeCun et al., 1998, had tanh and averages).

    Parameters
    ----------
    seed : int or None
        Of the initial parameters.
    dtype : "float32" or "float64"

    Raises
    ------
    TypeError, ValueError
        A seed or dtype that is none.
    """
    layers = [
        Rescaling(1 / 255, -0.5),
        Conv2D(6, 5), ReLU(), MaxPool2D(2),
        Conv2D(16, 5), ReLU(), MaxPool2D(2),
        Flatten(), Dense(120), ReLU(), Dense(84), ReLU(), Dense(10),
    ]  # fmt: skip
    return Sequential(layers, input_shape=_MNIST, dtype=dtype, seed=seed)


def wide(seed: Seed = None, dtype: DType = "float32") -> Sequential:
    """The net of the accurate recipe: LeNet-5's shape with more filters and dropout, for training with augmentation.

    Parameters
    ----------
    seed : int or None
        Of the initial parameters.
    dtype : "float32" or "float64"

    Raises
    ------
    TypeError, ValueError
        A seed or dtype that is none.
    """
    layers = [
        Rescaling(1 / 255, -0.5),
        Conv2D(16, 5), ReLU(), MaxPool2D(2),
        Conv2D(64, 5), ReLU(), MaxPool2D(2),
        Flatten(), Dense(192), ReLU(), Dropout(0.3), Dense(10),
    ]  # fmt: skip
    return Sequential(layers, input_shape=_MNIST, dtype=dtype, seed=seed)
