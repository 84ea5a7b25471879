"""Layers: their arguments, a layer alone, and one's own."""

import numpy as np
from numpy.typing import NDArray
from typing_extensions import assert_type

import cnn

Floats = NDArray[np.float32 | np.float64]
labels = np.array([0, 1, 2], np.int64)

cnn.Conv2D(8, 3)
cnn.Conv2D(8, (3, 5), stride=[1, 2], padding="same", bias=False)
cnn.Conv2D(np.int64(8), 3, padding=1)
cnn.Conv2D(8, 3, padding=(1, 2))
cnn.Conv2D(8, 3, dilation=(1, 2), groups=np.int64(4))
cnn.DepthwiseConv2D(3, multiplier=2, stride=2, padding="same", dilation=(1, 2), bias=False)
cnn.Dense(labels.max() + 1)
cnn.Dense(10, activation="relu"), cnn.Conv2D(8, 3, activation=cnn.LeakyReLU(0.1)), cnn.Dense(10, activation=None)
cnn.DepthwiseConv2D(3, activation="tanh").activation
cnn.MaxPool2D()
cnn.MaxPool2D((2, 2), stride=None, ties="all")
cnn.AvgPool2D(2, padding=1)
cnn.Rescaling(1 / 255, -0.5)
cnn.LeakyReLU(np.float32(0.1))
cnn.BatchNorm(momentum=0.99)
cnn.LayerNorm(), cnn.LayerNorm(np.float64(1e-3)), cnn.LayerNorm(epsilon=1e-3)
assert_type(cnn.LayerNorm().gamma, Floats)
cnn.Dropout(0.5)
cnn.Flatten(), cnn.ReLU(), cnn.Sigmoid(), cnn.Tanh(), cnn.GlobalAvgPool2D()
cnn.GELU(), cnn.SiLU(), cnn.Softplus(), cnn.GlobalMaxPool2D()

cnn.Conv2D(8)  # error: kernel_size
cnn.Conv2D(8, 3, padding="full")  # error: padding
cnn.Conv2D(8, 3, 1)  # error: stride is named
cnn.Conv2D(8, 3, strides=2)  # error: stride
cnn.Conv2D(8, "3")  # error: kernel_size
cnn.Conv2D(8, 3, groups=(2, 2))  # error: groups
cnn.Conv2D(8, 3, dilation=1.5)  # error: dilation
cnn.Conv2D(8.0, 3)  # error: filters
cnn.Dense(10, activation=3)  # error: activation
cnn.Dense(10, activation=cnn.ReLU)  # error: activation is a name or a layer
cnn.Dense("10")  # error: units
cnn.DepthwiseConv2D(3, 2)  # error: multiplier is named
cnn.DepthwiseConv2D(3, filters=8)  # error: filters
cnn.MaxPool2D(2, ties="last")  # error: ties
cnn.MaxPool2D(2, padding="same")  # error: padding
cnn.Dropout("0.5")  # error: rate
cnn.Rescaling()  # error: scale
cnn.ReLU(0.1)  # error: no argument
cnn.GELU("tanh")  # error: no argument
cnn.BatchNorm(0.9)  # error: momentum is named
cnn.LayerNorm("1e-5")  # error: epsilon

conv = cnn.Conv2D(8, 3).build((28, 28, 1), dtype="float64", seed=0)
assert_type(conv, cnn.Conv2D)
y = conv.forward(np.zeros((2, 28, 28, 1)))
assert_type(y, np.ndarray)
assert_type(conv.backward(y), np.ndarray)
x = np.zeros((2, 28, 28, 1))
for layer in (conv, cnn.ReLU(), cnn.MaxPool2D()):
    x = layer.forward(x)
assert_type(conv.weights, Floats)
assert_type(conv.bias, Floats | None)
assert_type(conv.input_shape, tuple[int, ...])
conv.weights = np.zeros((3, 3, 1, 8), np.float64)
conv.forward([[[[0.0]]]], training=False)
arrays: dict[str, np.ndarray] = conv.gradients
conv.build((28, 28, 1), dtype=np.float32)
conv.build((28, 28, 1), dtype=np.dtype(np.float64))
conv.build(y.shape[1:], dtype=y.dtype, seed=np.random.default_rng(0))

conv.build((28, 28, 1), dtype="float16")  # error: dtype
conv.build((28, 28, 1), dtype=np.float16)  # error: dtype
conv.build((28, 28, 1), "float32")  # error: dtype is named
conv.build(28)  # error: input_shape
conv.build((28, 28, 1), seed="0")  # error: seed
conv.forward()  # error: x
conv.forwards(y)  # error: forward
conv.bias.sum()  # error: None without bias
conv.gamma  # error: of BatchNorm

assert_type(cnn.check_layer(cnn.Conv2D(8, 3), (6, 6, 2)), None)
cnn.check_layer(conv, [6, 6, 1], dtype=np.float32, seed=np.random.default_rng(0))
cnn.check_layer(cnn.Conv2D, (6, 6, 2))  # error: a class
cnn.check_layer(conv)  # error: input_shape
cnn.check_layer(conv, (6, 6, 2), "float32")  # error: dtype is named
