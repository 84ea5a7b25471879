"""The nets, with the backend "numpy" unless another is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..nets.sequential import Sequential
from ..nets.two_conv import ConvolutionalNeuralNetwork
from .twins import class_twin, function_twin

__all__ = ["ConvolutionalNeuralNetwork", "Sequential"]

if not TYPE_CHECKING:  # a type checker takes the originals: the twins have their signatures
    for _net in (ConvolutionalNeuralNetwork, Sequential):
        _init = function_twin(_net.__init__, "cnn.reference", defaults={"backend": "numpy"})
        globals()[_net.__name__] = class_twin(_net, "cnn.reference", __init__=_init)
