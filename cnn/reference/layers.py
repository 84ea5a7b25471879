"""The general layers and nets, run by NumPy: the classes of `cnn` with the reference's functions behind them.

In a net it is the net's backend that counts, "numpy" for `cnn.reference.Sequential`, not that of its layers.
"""

from __future__ import annotations

from .. import layers
from ..layers import registry
from ..nets import sequential as network
from ..nets import two_conv
from .twins import twin_of


@twin_of(layers.Conv2D)
class Conv2D(layers.Conv2D):
    backend = "numpy"


@twin_of(layers.MaxPool2D)
class MaxPool2D(layers.MaxPool2D):
    backend = "numpy"


@twin_of(layers.AvgPool2D)
class AvgPool2D(layers.AvgPool2D):
    backend = "numpy"


@twin_of(layers.Dense)
class Dense(layers.Dense):
    backend = "numpy"


@twin_of(layers.ReLU)
class ReLU(layers.ReLU):
    backend = "numpy"


@twin_of(layers.BatchNorm)
class BatchNorm(layers.BatchNorm):
    backend = "numpy"


@twin_of(layers.Dropout)
class Dropout(layers.Dropout):
    backend = "numpy"


@twin_of(layers.Flatten)
class Flatten(layers.Flatten):
    backend = "numpy"


@twin_of(layers.Rescaling)
class Rescaling(layers.Rescaling):
    backend = "numpy"


for _twin in (Conv2D, MaxPool2D, AvgPool2D, Dense, ReLU, BatchNorm, Dropout, Flatten, Rescaling):
    registry.add_twin(_twin, registry.LAYERS[_twin.__name__])


@twin_of(network.Sequential)
class Sequential(network.Sequential):
    def __init__(self, layers, input_shape, dtype="float32", seed=None, backend="numpy"):
        super().__init__(layers, input_shape, dtype=dtype, seed=seed, backend=backend)


@twin_of(two_conv.ConvolutionalNeuralNetwork)
class ConvolutionalNeuralNetwork(two_conv.ConvolutionalNeuralNetwork):
    def __init__(self, seed=None, dtype="float32", backend="numpy"):
        super().__init__(seed=seed, dtype=dtype, backend=backend)
