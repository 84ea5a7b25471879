"""The general layers and nets, run by NumPy: the classes of `cnn` with the reference's functions behind them."""

from __future__ import annotations

from .. import layers, network, tutorial


class Conv2D(layers.Conv2D):
    backend = "numpy"


class MaxPool2D(layers.MaxPool2D):
    backend = "numpy"


class AvgPool2D(layers.AvgPool2D):
    backend = "numpy"


class Dense(layers.Dense):
    backend = "numpy"


class ReLU(layers.ReLU):
    backend = "numpy"


class BatchNorm(layers.BatchNorm):
    backend = "numpy"


class Dropout(layers.Dropout):
    backend = "numpy"


class Flatten(layers.Flatten):
    backend = "numpy"


class Rescaling(layers.Rescaling):
    backend = "numpy"


class Sequential(network.Sequential):
    """`cnn.Sequential` with ``backend="numpy"`` as the default."""

    def __init__(self, layers, input_shape, dtype="float32", seed=None, backend="numpy"):
        super().__init__(layers, input_shape, dtype=dtype, seed=seed, backend=backend)


class ConvolutionalNeuralNetwork(tutorial.ConvolutionalNeuralNetwork):
    """`cnn.ConvolutionalNeuralNetwork` with ``backend="numpy"`` as the default."""

    def __init__(self, seed=None, dtype="float32", backend="numpy"):
        super().__init__(seed=seed, dtype=dtype, backend=backend)
