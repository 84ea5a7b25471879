"""Nets ready made, for images in uint8: those of the benchmarks, of the recipes, and of known examples.

`cnn train --recipe` trains most of them with settings that suit them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .layers import (
    BatchNorm,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GlobalAvgPool2D,
    Layer,
    MaxPool2D,
    ReLU,
    Rescaling,
    Residual,
)
from .nets.sequential import Sequential

if TYPE_CHECKING:
    from typing import SupportsIndex

    from .backends.annotations import DType, Seed, Shape

_MNIST = (28, 28, 1)


def tutorial(
    seed: Seed = None, dtype: DType = "float32", *, input_shape: Shape = _MNIST, classes: SupportsIndex = 10
) -> Sequential:
    """The tutorial's net: one convolution of 8 filters of 3x3, max pooling, dense; softmax comes with the loss.

    Parameters
    ----------
    seed : int or None
        Of the initial parameters.
    dtype : "float32" or "float64"
    input_shape : tuple of int
        Of one image, (height, width, channels).
    classes : int

    Raises
    ------
    TypeError, ValueError
        An argument that is none, or images of which nothing is left.
    """
    layers = [
        Rescaling(1 / 255, -0.5),
        Conv2D(8, 3, bias=False), MaxPool2D(2),
        Flatten(), Dense(classes),
    ]  # fmt: skip
    return Sequential(layers, input_shape=input_shape, dtype=dtype, seed=seed)


def two_conv(
    seed: Seed = None, dtype: DType = "float32", *, input_shape: Shape = _MNIST, classes: SupportsIndex = 10
) -> Sequential:
    """Two convolutions of 8 and 16 filters of 3x3 with ReLU and pooling, dense layers of 128 and 10.

    Parameters
    ----------
    seed : int or None
        Of the initial parameters.
    dtype : "float32" or "float64"
    input_shape : tuple of int
        Of one image, (height, width, channels).
    classes : int

    Raises
    ------
    TypeError, ValueError
        An argument that is none, or images of which nothing is left.
    """
    layers = [
        Rescaling(1 / 255, -0.5),
        Conv2D(8, 3, padding="same"), ReLU(), MaxPool2D(2),
        Conv2D(16, 3, padding="same"), ReLU(), MaxPool2D(2),
        Flatten(), Dense(128), ReLU(), Dense(classes),
    ]  # fmt: skip
    return Sequential(layers, input_shape=input_shape, dtype=dtype, seed=seed)


def lenet5(
    seed: Seed = None, dtype: DType = "float32", *, input_shape: Shape = _MNIST, classes: SupportsIndex = 10
) -> Sequential:
    """LeNet-5 with ReLU and max pooling (LeCun et al., 1998, had tanh and averages).

    Parameters
    ----------
    seed : int or None
        Of the initial parameters.
    dtype : "float32" or "float64"
    input_shape : tuple of int
        Of one image, (height, width, channels).
    classes : int

    Raises
    ------
    TypeError, ValueError
        An argument that is none, or images of which nothing is left.

    Examples
    --------
    >>> import cnn
    >>> sum(value.size for value in cnn.models.lenet5().parameters().values())
    44426
    """
    layers = [
        Rescaling(1 / 255, -0.5),
        Conv2D(6, 5), ReLU(), MaxPool2D(2),
        Conv2D(16, 5), ReLU(), MaxPool2D(2),
        Flatten(), Dense(120), ReLU(), Dense(84), ReLU(), Dense(classes),
    ]  # fmt: skip
    return Sequential(layers, input_shape=input_shape, dtype=dtype, seed=seed)


def quick(
    seed: Seed = None, dtype: DType = "float32", *, input_shape: Shape = _MNIST, classes: SupportsIndex = 10
) -> Sequential:
    """The net of the fast recipe: LeNet-5's convolutions, the second one normalised, and dense layers of 128 and 10.

    The normalisation allows the high learning rate that a single epoch needs. It stands after the pooling, where it
    has the fewest values to normalise.

    Parameters
    ----------
    seed : int or None
        Of the initial parameters.
    dtype : "float32" or "float64"
    input_shape : tuple of int
        Of one image, (height, width, channels).
    classes : int

    Raises
    ------
    TypeError, ValueError
        An argument that is none, or images of which nothing is left.
    """
    layers = [
        Rescaling(1 / 255, -0.5),
        Conv2D(6, 5), ReLU(), MaxPool2D(2),
        Conv2D(16, 5, bias=False), MaxPool2D(2), BatchNorm(), ReLU(),
        Flatten(), Dense(128), ReLU(), Dense(classes),
    ]  # fmt: skip
    return Sequential(layers, input_shape=input_shape, dtype=dtype, seed=seed)


def tiny(
    seed: Seed = None, dtype: DType = "float32", *, input_shape: Shape = _MNIST, classes: SupportsIndex = 10
) -> Sequential:
    """Less than 5,000 parameters: four normalised convolutions, two poolings, the means of the maps, a dense layer.

    Parameters
    ----------
    seed : int or None
        Of the initial parameters.
    dtype : "float32" or "float64"
    input_shape : tuple of int
        Of one image, (height, width, channels).
    classes : int

    Raises
    ------
    TypeError, ValueError
        An argument that is none, or images of which nothing is left.
    """
    layers = [
        Rescaling(1 / 255, -0.5),
        *_normalised(8, 5), MaxPool2D(2),
        *_normalised(12), *_normalised(14), MaxPool2D(2),
        *_normalised(14), GlobalAvgPool2D(), Dense(classes),
    ]  # fmt: skip
    return Sequential(layers, input_shape=input_shape, dtype=dtype, seed=seed)


def _normalised(filters: int, size: int = 3) -> list[Layer]:
    """A convolution with batch normalisation and ReLU."""
    return [Conv2D(filters, size, padding="same", bias=False), BatchNorm(), ReLU()]


def wide(
    seed: Seed = None, dtype: DType = "float32", *, input_shape: Shape = _MNIST, classes: SupportsIndex = 10
) -> Sequential:
    """The net of the accurate recipe: LeNet-5's shape with more filters and dropout, for training with augmentation.

    Parameters
    ----------
    seed : int or None
        Of the initial parameters.
    dtype : "float32" or "float64"
    input_shape : tuple of int
        Of one image, (height, width, channels).
    classes : int

    Raises
    ------
    TypeError, ValueError
        An argument that is none, or images of which nothing is left.
    """
    layers = [
        Rescaling(1 / 255, -0.5),
        Conv2D(16, 5), ReLU(), MaxPool2D(2),
        Conv2D(64, 5), ReLU(), MaxPool2D(2),
        Flatten(), Dense(192), ReLU(), Dropout(0.3), Dense(classes),
    ]  # fmt: skip
    return Sequential(layers, input_shape=input_shape, dtype=dtype, seed=seed)


def keras_mnist(
    seed: Seed = None, dtype: DType = "float32", *, input_shape: Shape = _MNIST, classes: SupportsIndex = 10
) -> Sequential:
    """The net of Keras' example "Simple MNIST convnet": two convolutions with pooling, dropout, dense.

    Parameters
    ----------
    seed : int or None
        Of the initial parameters.
    dtype : "float32" or "float64"
    input_shape : tuple of int
        Of one image, (height, width, channels).
    classes : int

    Raises
    ------
    TypeError, ValueError
        An argument that is none, or images of which nothing is left.
    """
    layers = [
        Rescaling(1 / 255),
        Conv2D(32, 3), ReLU(), MaxPool2D(2),
        Conv2D(64, 3), ReLU(), MaxPool2D(2),
        Flatten(), Dropout(0.5), Dense(classes),
    ]  # fmt: skip
    return Sequential(layers, input_shape=input_shape, dtype=dtype, seed=seed)


def pytorch_mnist(
    seed: Seed = None, dtype: DType = "float32", *, input_shape: Shape = _MNIST, classes: SupportsIndex = 10
) -> Sequential:
    """The net of PyTorch's example "mnist": two convolutions, one pooling, two dense layers with dropout.

    The images are brought to mean 0 and variance 1, those of MNIST's training images.

    Parameters
    ----------
    seed : int or None
        Of the initial parameters.
    dtype : "float32" or "float64"
    input_shape : tuple of int
        Of one image, (height, width, channels).
    classes : int

    Raises
    ------
    TypeError, ValueError
        An argument that is none, or images of which nothing is left.
    """
    layers = [
        Rescaling(1 / (255 * 0.3081), -0.1307 / 0.3081),
        Conv2D(32, 3), ReLU(), Conv2D(64, 3), ReLU(), MaxPool2D(2), Dropout(0.25),
        Flatten(), Dense(128), ReLU(), Dropout(0.5), Dense(classes),
    ]  # fmt: skip
    return Sequential(layers, input_shape=input_shape, dtype=dtype, seed=seed)


def resnet_small(
    input_shape: Shape = _MNIST, classes: SupportsIndex = 10, *, seed: Seed = None, dtype: DType = "float32"
) -> Sequential:
    """A residual net in three stages of 16, 32 and 64 channels, each of one block, as He et al. built them for CIFAR.

    A block is two convolutions with batch normalisation. The second and third stage halve height and width, on the
    shortcut by a convolution of 1x1. The means of the last maps go into a dense layer.

    Parameters
    ----------
    input_shape : tuple of int
        Of one image, (height, width, channels); (32, 32, 3) for CIFAR.
    classes : int
    seed : int or None
        Of the initial parameters.
    dtype : "float32" or "float64"

    Raises
    ------
    TypeError, ValueError
        An argument that is none, or images of which nothing is left.
    """
    layers = [
        Rescaling(1 / 255, -0.5),
        Conv2D(16, 3, padding=1, bias=False), BatchNorm(), ReLU(),
        _residual(16), ReLU(),
        _residual(32, stride=2), ReLU(),
        _residual(64, stride=2), ReLU(),
        GlobalAvgPool2D(), Dense(classes),
    ]  # fmt: skip
    return Sequential(layers, input_shape=input_shape, dtype=dtype, seed=seed)


def _residual(channels: int, stride: int = 1) -> Residual:
    """A block; with a stride, the shortcut brings x to the branch's shape."""
    branch = [
        Conv2D(channels, 3, stride=stride, padding=1, bias=False), BatchNorm(), ReLU(),
        Conv2D(channels, 3, padding=1, bias=False), BatchNorm(),
    ]  # fmt: skip
    return Residual(branch, [] if stride == 1 else [Conv2D(channels, 1, stride=stride, bias=False), BatchNorm()])


def vgg_small(
    input_shape: Shape = _MNIST, classes: SupportsIndex = 10, *, seed: Seed = None, dtype: DType = "float32"
) -> Sequential:
    """Two pairs of convolutions of 3x3, of 32 and 64 filters, with batch normalisation, each pair before a pooling.

    VGG's way to build (Simonyan and Zisserman, 2015), in small, with dense layers of 128 and `classes`.

    Parameters
    ----------
    input_shape : tuple of int
        Of one image, (height, width, channels); (32, 32, 3) for CIFAR.
    classes : int
    seed : int or None
        Of the initial parameters.
    dtype : "float32" or "float64"

    Raises
    ------
    TypeError, ValueError
        An argument that is none, or images of which nothing is left.
    """
    layers = [
        Rescaling(1 / 255, -0.5),
        *_normalised(32), *_normalised(32), MaxPool2D(2),
        *_normalised(64), *_normalised(64), MaxPool2D(2),
        Flatten(), Dense(128), ReLU(), Dense(classes),
    ]  # fmt: skip
    return Sequential(layers, input_shape=input_shape, dtype=dtype, seed=seed)
