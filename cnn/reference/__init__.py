"""The whole package in pure NumPy: the same names, to be read, and to check the compiled ones against."""

from .functional import (
    conv2d_backward,
    conv2d_forward,
    dense_backward,
    dense_forward,
    maxpool2d_backward,
    maxpool2d_backward_ties,
    maxpool2d_forward,
    relu_backward,
    relu_forward,
    softmax,
    softmax_cross_entropy,
)
from .layers import Conv2D, ConvolutionalNeuralNetwork, Dense, Flatten, MaxPool2D, ReLU, Rescaling, Sequential
from .tutorial import Conv3x3, MaxPool2, Softmax

__all__ = [
    "Conv2D",
    "Conv3x3",
    "ConvolutionalNeuralNetwork",
    "Dense",
    "Flatten",
    "MaxPool2",
    "MaxPool2D",
    "ReLU",
    "Rescaling",
    "Sequential",
    "Softmax",
    "conv2d_backward",
    "conv2d_forward",
    "dense_backward",
    "dense_forward",
    "maxpool2d_backward",
    "maxpool2d_backward_ties",
    "maxpool2d_forward",
    "relu_backward",
    "relu_forward",
    "softmax",
    "softmax_cross_entropy",
]
