"""The nets that are timed, and the description of a net that every framework builds it from.

The nets are those of `cnn.models`; `package.described` writes them down as layers. Nothing here imports cnn.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

NOISE = 32  # of 256 levels


class Net(NamedTuple):
    """A function of `cnn.models`, what the net is called in tables, and the shape of its images."""

    model: str
    title: str
    input_shape: tuple[int, int, int] = (28, 28, 1)


NETS = {
    "A": Net("tutorial", "the tutorial's net"),
    "B": Net("two_conv", "two convolutions"),
    "L": Net("lenet5", "LeNet-5"),
    "keras_mnist": Net("keras_mnist", "the net of Keras' MNIST example"),
    "pytorch_mnist": Net("pytorch_mnist", "the net of PyTorch's MNIST example"),
    "resnet_small": Net("resnet_small", "a small residual net"),
    "vgg_small": Net("vgg_small", "a small VGG"),
    "resnet_small_32": Net("resnet_small", "the residual net on 32x32x3", (32, 32, 3)),
    "vgg_small_32": Net("vgg_small", "the VGG on 32x32x3", (32, 32, 3)),
}


@dataclass(frozen=True)
class Layer:
    """A layer of ours in plain values.

    Attributes
    ----------
    kind : str
        Its class, "Conv2D".
    name : str
        What its parameters' names begin with, "residual_1.conv2d_1".
    input_shape : tuple of int
        Of one image, (h, w, c).
    options : mapping
        Its constructor's arguments; `padding` in numbers.
    branch, shortcut : tuple of Layer
        Of a `Residual`.
    """

    kind: str
    name: str
    input_shape: tuple[int, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    branch: tuple[Layer, ...] = ()
    shortcut: tuple[Layer, ...] = ()


def pictures(digits: np.ndarray, shape: tuple[int, int, int], rng: np.random.Generator) -> np.ndarray:
    """Digits, uint8 (n, 28, 28), as images of the shape: with noise; in the middle of larger ones, in colours.

    Without noise the background of MNIST's images is constant, and the gradients of a convolution before a BatchNorm
    are differences of large equal sums: in float32 those of PyTorch were off by a tenth.
    """
    h, w, channels = shape
    around = [(0, 0), *(((size - 28) // 2,) * 2 for size in (h, w))]
    images = np.pad(digits, around)[..., np.newaxis]
    if channels > 1:
        images = images * rng.uniform(0.2, 1, (len(digits), 1, 1, channels)).astype(np.float32)
    noise = rng.integers(0, NOISE, (len(digits), *shape), dtype=np.uint8)
    return np.minimum(images + noise, 255).astype(np.uint8)
