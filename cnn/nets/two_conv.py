"""The tutorial's two-convolution net, a `Sequential` behind the names of the tutorial."""

from __future__ import annotations

from ..backends import checks
from ..layers import Conv2D, Dense, Flatten, MaxPool2D, ReLU
from ..training.optimizers import SGD
from .sequential import Sequential


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
    net : Sequential
        The net behind it.

    Raises
    ------
    TypeError, ValueError
        A seed, dtype or backend that is none.
    """

    def __init__(self, seed=None, dtype="float32", backend="compiled"):
        self._conv1 = Conv2D(8, 3, padding="same")
        self._conv2 = Conv2D(16, 3, padding="same")
        self._fc1, self._output = Dense(128), Dense(10)
        layers = [
            self._conv1, ReLU(), MaxPool2D(2),
            self._conv2, ReLU(), MaxPool2D(2),
            Flatten(), self._fc1, ReLU(), self._output,
        ]  # fmt: skip
        self.net = Sequential(layers, input_shape=(28, 28, 1), dtype=dtype, seed=seed, backend=backend)

    def forward(self, x):
        """Probabilities: (10,) for one image, (N, 10) for a batch."""
        images, single = _as_batch(x)
        probabilities = self.net.predict_proba(images)
        return probabilities[0] if single else probabilities

    def predict(self, x):
        """Probabilities (N, 10); one image is a batch of one."""
        return self.net.predict_proba(_as_batch(x)[0])

    def train(self, x, y, learning_rate):
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


def _parameter(layer, name):
    return property(
        lambda self: getattr(getattr(self, layer), name),
        lambda self, value: setattr(getattr(self, layer), name, value),
    )


for _layer in ("conv1", "conv2", "fc1", "output"):
    for _name in ("weights", "bias"):
        setattr(ConvolutionalNeuralNetwork, f"{_layer}_{_name}", _parameter(f"_{_layer}", _name))


def _as_batch(x):
    """A batch of images, and whether `x` was a single one."""
    x = checks.array("x", x)
    single = x.shape in ((28, 28), (28, 28, 1))
    return (x[None], True) if single else (x, False)
