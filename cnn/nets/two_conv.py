"""The tutorial's two-convolution net, a `Sequential` behind the names of the tutorial."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, SupportsFloat

import numpy as np

from ..backends import checks, geometry
from ..backends.calls import Elementwise
from ..backends.select import operations
from ..backends.tables import call
from ..layers import Conv2D, Dense, Flatten, MaxPool2D, ReLU
from ..training.optimizers import SGD
from .sequential import Sequential

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from ..backends.annotations import Backend, DType, Floats, Pair, Seed


class ConvolutionalNeuralNetwork:
    """Two convolutions of 8 and 16 filters of 3x3 with ReLU and pooling, a dense layer of 128, softmax over 10.

    Takes images of 28x28 as floats, (28, 28), (N, 28, 28) or (N, 28, 28, 1).

    Parameters
    ----------
    seed : int or None
        Of the initial parameters (He initialisation).
    dtype : "float32" or "float64"
    backend : "compiled" or "numpy"

    Attributes
    ----------
    conv1_weights (3, 3, 1, 8), conv1_bias (8,), conv2_weights (3, 3, 8, 16), conv2_bias (16,), fc1_weights (784, 128),
    fc1_bias (128,), output_weights (128, 10), output_bias (10,)
        Arrays to read or change; assigning needs the same shape and dtype.
    conv1_filters 8, conv1_filter_size 3, conv2_filters 16, conv2_filter_size 3, fc1_units 128, output_units 10
        Its sizes, to read.
    net : Sequential
        The net behind it.

    Raises
    ------
    TypeError, ValueError
        A seed, dtype or backend that is none.
    """

    conv1_filters: int
    conv1_filter_size: int
    conv2_filters: int
    conv2_filter_size: int
    fc1_units: int
    output_units: int
    conv1_weights: Floats
    conv1_bias: Floats
    conv2_weights: Floats
    conv2_bias: Floats
    fc1_weights: Floats
    fc1_bias: Floats
    output_weights: Floats
    output_bias: Floats

    def __init__(self, seed: Seed = None, dtype: DType = "float32", backend: Backend = "compiled") -> None:
        self._conv1 = Conv2D(8, 3, padding="same")
        self._conv2 = Conv2D(16, 3, padding="same")
        self._fc1, self._output = Dense(128), Dense(10)
        layers = [
            self._conv1, ReLU(), MaxPool2D(2),
            self._conv2, ReLU(), MaxPool2D(2),
            Flatten(), self._fc1, ReLU(), self._output,
        ]  # fmt: skip
        self.net = Sequential(layers, input_shape=(28, 28, 1), dtype=dtype, seed=seed, backend=backend)

    def __repr__(self) -> str:
        return call(type(self), {"dtype": self.net.dtype.name, "backend": self.net.backend})

    def _repr_html_(self) -> str:
        from .summary import summary_html

        return summary_html(self.net.layers, type(self).__name__, self.net.dtype.name)

    def conv2d(self, x: ArrayLike, weight: ArrayLike, bias: ArrayLike | None) -> np.ndarray:
        """Convolution with stride 1, its input padded with zeros so that the output is as large: the net's.

        Parameters
        ----------
        x : (h, w) or (h, w, c_in), or a batch of such
            A batch is (n, h, w, c_in), and for one channel (n, h, w) as well; (h, w, 1) is one image.
        weight : (kh, kw, c_in, c_out)
        bias : (c_out,) or None

        Returns
        -------
        (h, w, c_out) or (n, h, w, c_out), the net's dtype

        Raises
        ------
        TypeError, ValueError
            What is no array of real numbers, shapes that do not fit each other.
        """
        dtype = self.net.dtype
        x, weight = checks.real("x", x, dtype), checks.real("weight", weight, dtype)
        checks.shape("weight", weight, (None, None, None, None), "(kh, kw, c_in, c_out)")
        if x.ndim not in (2, 3, 4):
            raise ValueError(f"x must have shape (h, w), (h, w, c_in) or (n, h, w, c_in), got {x.shape}")
        c_in = weight.shape[2]
        single = x.ndim == 2 or (x.ndim == 3 and (c_in != 1 or x.shape[2] == 1))
        if x.ndim == 2 or (x.ndim == 3 and not single):
            checks.not_colour("x", x.shape)
            x = x[..., None]
        if x.shape[-1] != c_in:
            raise ValueError(f"x must have the {c_in} channels that weight {weight.shape} takes, got {x.shape[-1]}")
        if single:
            x = x[None]
        if bias is not None:
            bias = checks.real("bias", bias, dtype)
            checks.shape("bias", bias, weight.shape[3:], "one for each filter of weight")
        g = geometry.conv2d(x.shape[1:], weight.shape, padding="same")
        y = operations(self.net.backend).conv2d_forward(x, weight, bias, g)
        return y[0] if single else y

    def max_pool2d(self, x: ArrayLike, size: Pair = 2) -> np.ndarray:
        """Maximum over windows that do not overlap; rows and columns that fill no window are dropped.

        Parameters
        ----------
        x : (h, w), (h, w, c) or (n, h, w, c)
        size : int or (int, int)
            Height and width of a window.

        Returns
        -------
        (h // size, w // size), with the other axes of `x`; the net's dtype

        Raises
        ------
        TypeError, ValueError
            What is no array of real numbers, another number of dimensions, a window larger than the image.
        """
        x = checks.real("x", x, self.net.dtype)
        if x.ndim not in (2, 3, 4):
            raise ValueError(f"x must have shape (h, w), (h, w, c) or (n, h, w, c), got {x.shape}")
        images = x if x.ndim == 4 else x.reshape(1, *x.shape, *(1,) * (3 - x.ndim))
        g = geometry.pool2d(images.shape[1:], checks.pair("size", size, minimum=1))
        y, _ = operations(self.net.backend).maxpool2d_forward(images, g)
        return y.reshape(*x.shape[:-3], *g.output_shape[: min(x.ndim, 3)])

    def relu(self, x: ArrayLike) -> np.ndarray:
        """``max(x, 0)``, element by element; NaN stays NaN.

        Parameters
        ----------
        x : any shape

        Returns
        -------
        The shape of `x`, the net's dtype

        Raises
        ------
        TypeError
            `x` is no array of real numbers, or is masked.
        """
        return operations(self.net.backend).elementwise_forward(
            Elementwise("relu"), checks.real("x", x, self.net.dtype)
        )

    def softmax(self, x: ArrayLike) -> np.ndarray:
        """``exp(x)`` divided by its sum: a probability for each class.

        Parameters
        ----------
        x : (classes,) or (n, classes)

        Returns
        -------
        The shape of `x`, the net's dtype

        Raises
        ------
        TypeError, ValueError
            What is no array of real numbers, another number of dimensions, no class at all.
        """
        x = checks.real("x", x, self.net.dtype)
        if x.ndim not in (1, 2) or x.shape[-1] == 0:
            raise ValueError(f"x must have shape (classes,) or (n, classes), got {x.shape}")
        return operations(self.net.backend).softmax(x.reshape(-1, x.shape[-1])).reshape(x.shape)

    def forward(self, x: ArrayLike) -> Floats:
        """Probabilities: (10,) for one image, (N, 10) for a batch."""
        images, single = _as_batch(x)
        probabilities = self.net.predict_proba(images)
        return probabilities[0] if single else probabilities

    def predict(self, x: ArrayLike) -> Floats:
        """Probabilities (N, 10); one image is a batch of one."""
        return self.net.predict_proba(_as_batch(x)[0])

    def train(self, x: ArrayLike, y: ArrayLike, learning_rate: SupportsFloat) -> float:
        """One step of gradient descent on the mean cross-entropy of a batch or one image.

        Parameters
        ----------
        x : (28, 28), (N, 28, 28) or (N, 28, 28, 1)
        y : labels (N,) or one-hot rows (N, 10); for one image a label or one row
        learning_rate : float

        Returns
        -------
        float
            The loss before the step.

        Raises
        ------
        TypeError, ValueError
            Images or labels of other shapes or values, a learning rate that is negative or not finite.
        FloatingPointError
            The loss is NaN or infinite; the parameters are left as they were.
        """
        images, single = _as_batch(x)
        if single:
            y = checks.array("y", y)[None]
        optimizer = SGD(learning_rate)
        return self.net.train_on_batch(images, y, optimizer)


def _parameter(layer: str, name: str) -> property:
    return property(
        lambda self: getattr(getattr(self, layer), name),
        lambda self, value: setattr(getattr(self, layer), name, value),
    )


def _size(layer: str, read: Callable[[Any], int]) -> property:
    return property(lambda self: read(getattr(self, layer)))


for _layer in ("conv1", "conv2"):
    setattr(ConvolutionalNeuralNetwork, f"{_layer}_filters", _size(f"_{_layer}", lambda layer: layer.filters))
    setattr(
        ConvolutionalNeuralNetwork, f"{_layer}_filter_size", _size(f"_{_layer}", lambda layer: layer.kernel_size[0])
    )
for _layer in ("fc1", "output"):
    setattr(ConvolutionalNeuralNetwork, f"{_layer}_units", _size(f"_{_layer}", lambda layer: layer.units))
for _layer in ("conv1", "conv2", "fc1", "output"):
    for _name in ("weights", "bias"):
        setattr(ConvolutionalNeuralNetwork, f"{_layer}_{_name}", _parameter(f"_{_layer}", _name))


def _as_batch(x: ArrayLike) -> tuple[np.ndarray, bool]:
    """A batch of images, and whether `x` was a single one."""
    x = checks.array("x", x)
    single = x.shape in ((28, 28), (28, 28, 1))
    return (x[None], True) if single else (x, False)
