"""The tutorial's classes, compiled and in the reference."""

import numpy as np
from numpy.typing import NDArray
from typing_extensions import assert_type

import cnn
from cnn.datasets import mnist, normalize, one_hot

Floats = NDArray[np.float32 | np.float64]
images, labels = mnist.train_images(), mnist.train_labels()
assert_type(images, NDArray[np.uint8])

conv, pool, softmax = cnn.Conv3x3(8), cnn.MaxPool2(), cnn.Softmax(13 * 13 * 8, 10, dtype="float32")
out = softmax.forward(pool.forward(conv.forward(images[0] / 255 - 0.5)))
assert_type(out, np.ndarray)
gradient = np.zeros(10)
gradient[labels[0]] = -1 / out[labels[0]]
gradient = softmax.backprop(gradient, 0.005)
gradient = pool.backprop(gradient)
assert_type(conv.backprop(gradient, 0.005), None)
for region, i, j in conv.iterate_regions(images[0]):
    place: tuple[int, int] = i, j
    total = float(region.sum())
assert_type(conv.filters, Floats)
conv.filters = np.random.default_rng(0).standard_normal((8, 3, 3))
assert_type(softmax.weights, Floats)
assert_type(softmax.last_input_shape, tuple[int, ...] | None)
assert_type(softmax.last_totals, Floats | None)
assert_type(pool.last_input, Floats | None)
slow = cnn.reference.Conv3x3(8, dtype=np.float32)
assert_type(slow.forward(images[0]), np.ndarray)

cnn.Conv3x3()  # error: num_filters
cnn.Conv3x3(8, 3)  # error: dtype
cnn.Conv3x3(8, dtype="float16")  # error: dtype
cnn.MaxPool2(2)  # error: no argument
cnn.Softmax(10)  # error: nodes
cnn.Softmax(10, 10, "double")  # error: dtype
conv.backprop(gradient)  # error: learn_rate
conv.backprop(gradient, learning_rate=0.005)  # error: learn_rate
pool.backprop(gradient, 0.005)  # error: one argument
conv.weights  # error: filters
softmax.last_totals.sum()  # error: None before forward
cnn.reference.Softmax(10, 10, "float16")  # error: dtype

net = cnn.ConvolutionalNeuralNetwork(seed=0, dtype="float64", backend="numpy")
assert_type(net.train(normalize(images[:32]), one_hot(labels[:32]), 0.1), float)
assert_type(net.predict(images), Floats)
assert_type(net.forward(images[0]), Floats)
assert_type(net.conv1_weights, Floats)
assert_type(net.conv2_filters, int)
assert_type(net.net, cnn.Sequential)
assert_type(net.conv2d(images[0], net.conv1_weights, None), np.ndarray)
assert_type(net.max_pool2d(images[0], 2), np.ndarray)
assert_type(net.softmax(net.relu([1.0, 2.0])), np.ndarray)
net.output_bias = np.zeros(10)
net.train(images, labels)  # error: learning_rate
net.train(images, labels, "0.1")  # error: learning_rate
net.conv3_weights  # error: two convolutions
net.fit(images, labels)  # error: train
cnn.ConvolutionalNeuralNetwork(dtype="float16")  # error: dtype
cnn.ConvolutionalNeuralNetwork(backend="gpu")  # error: backend
