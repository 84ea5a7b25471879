"""The operations as functions, compiled and in the reference."""

import numpy as np
from numpy.typing import NDArray
from typing_extensions import assert_type

import cnn

f = cnn.functional
x, w, b = np.zeros((2, 8, 8, 1)), np.zeros((3, 3, 1, 4)), np.zeros(4)

y = f.conv2d_forward(x, w, b, 1, "same")
assert_type(y, np.ndarray)
assert_type(f.conv2d_forward(x, w, None, stride=(1, 2), padding=[1, 1]), np.ndarray)
assert_type(f.conv2d_forward(x, w, b, 1, "same", (1, 2), 1), np.ndarray)
dx, dw, db = f.conv2d_backward(y, x, w, padding="same")
assert_type(dw, np.ndarray)
assert_type(f.conv2d_input_gradient(y, w, x.shape), np.ndarray)
assert_type(f.conv2d_weight_gradient(y, x, (3, 3, 1, 4)), tuple[np.ndarray, np.ndarray])
maxima, switches = f.maxpool2d_forward(x, 2)
assert_type(switches, NDArray[np.int32])
assert_type(f.maxpool2d_backward(maxima, switches, x.shape, 2), np.ndarray)
assert_type(f.maxpool2d_backward_ties(maxima, x, maxima, 2), np.ndarray)
assert_type(f.avgpool2d_forward(x, 2, stride=np.int64(1)), np.ndarray)
assert_type(f.global_avgpool2d_backward(np.zeros((2, 1)), x.shape), np.ndarray)
assert_type(f.global_maxpool2d_backward(np.zeros((2, 1)), np.zeros((2, 1), int), x.shape), np.ndarray)
assert_type(f.dense_backward([[1.0]], [[1.0]], [[1.0]]), tuple[np.ndarray, np.ndarray, np.ndarray])
assert_type(f.leaky_relu_forward(x, slope=np.float32(0.1)), np.ndarray)
loss, probabilities, dlogits = f.softmax_cross_entropy(np.zeros((1, 10)), [3])
assert_type(loss, float)
assert_type(cnn.reference.softmax(np.zeros((1, 10))), np.ndarray)
assert_type(cnn.reference.functional.dense_forward(x, w, b), np.ndarray)

f.conv2d_forward(x, w)  # error: b
f.conv2d_forward(x, w, b, 1, "full")  # error: padding
f.conv2d_forward(x, w, b, stride="1")  # error: stride
f.conv2d_forward(x, w, b, dilations=2)  # error: dilation
f.conv2d_forward(x, w, b, groups="2")  # error: groups
f.maxpool2d_forward(x)  # error: pool_size
f.maxpool2d_forward(x, 2, padding="same")  # error: padding
f.maxpool2d_backward(maxima, switches, 8, 2)  # error: input_shape
f.leaky_relu_forward(x, "0.1")  # error: slope
f.softmax_cross_entropy(x)  # error: labels
f.relu_forward(x, 0.1)  # error: one argument
cnn.reference.conv2d_forward(x, w, b, 1, "full")  # error: padding
