"""Nets: how they are made, what they predict, how they are saved."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from typing_extensions import assert_type

import cnn

Floats = NDArray[np.float32 | np.float64]
x, y = np.zeros((4, 28, 28), np.uint8), [0, 1, 2, 3]

net = cnn.Sequential([cnn.Flatten(), cnn.Dense(10)], input_shape=(28, 28, 1))
cnn.Sequential((cnn.Flatten(), cnn.Dense(10)), [28, 28, 1], np.float64, 0, "numpy")
cnn.reference.Sequential([cnn.reference.Flatten(), cnn.reference.Dense(10)], (28, 28, 1), seed=np.int64(3))
for make in (
    cnn.models.tutorial,
    cnn.models.two_conv,
    cnn.models.lenet5,
    cnn.models.quick,
    cnn.models.tiny,
    cnn.models.wide,
):
    assert_type(make(seed=0, dtype="float64"), cnn.Sequential)
for example in (cnn.models.keras_mnist, cnn.models.pytorch_mnist):
    assert_type(example(0, "float64"), cnn.Sequential)
for deep in (cnn.models.resnet_small, cnn.models.vgg_small):
    assert_type(deep((32, 32, 3), classes=np.int64(5), seed=0, dtype=np.float64), cnn.Sequential)

cnn.Sequential([cnn.Flatten(), cnn.Dense(10)])  # error: input_shape
cnn.Sequential([cnn.Flatten, cnn.Dense(10)], (28, 28, 1))  # error: a class
cnn.Sequential(["flatten"], (28, 28, 1))  # error: a text
cnn.Sequential([cnn.Conv3x3(8)], (28, 28, 1))  # error: the tutorial's
cnn.Sequential([cnn.Flatten()], (28, 28, 1), dtype="float16")  # error: dtype
cnn.Sequential([cnn.Flatten()], (28, 28, 1), backend="gpu")  # error: backend
cnn.Sequential([cnn.Flatten()], (28, 28, 1), seed="0")  # error: seed
cnn.Sequential([cnn.Flatten()], input_shape="28")  # error: input_shape
cnn.models.lenet5(dtype=np.int64)  # error: dtype
cnn.models.vgg_small((32, 32, 3), 10, 0)  # error: seed is named
cnn.models.resnet_small(28)  # error: input_shape

assert_type(net.predict(x), NDArray[np.int64] | Floats)

assert_type(cnn.Sequential.from_layers(net, "flatten_1", [cnn.Flatten(), cnn.Dense(2)], seed=0), cnn.Sequential)
cnn.Sequential.from_layers(net, 3, (cnn.Dense(2),), freeze=False, loss=cnn.losses.Huber())
cnn.Sequential.from_layers(net.layers, head=[cnn.Dense(2)])  # error: a net
cnn.Sequential.from_layers(net, 2.5)  # error: upto
cnn.Sequential.from_layers(net, 3, cnn.Dense(2))  # error: head
cnn.Sequential.from_layers(net, 3, [], False)  # error: freeze is named

assert_type(net.predict_proba(x), Floats)
assert_type(net.predict_logits(x[..., None]), Floats)
assert_type(net.evaluate(x, y).accuracy, float)
loss, accuracy = net.evaluate(x, y)
assert_type(loss, float)
assert_type(net.score(x, y), float)
assert_type(net.predict(x, 32), NDArray[np.int64] | Floats)
net.predict_proba(x, batch_size=np.int64(32)), net.predict_logits(x, None), net.evaluate(x, y, batch_size=32)
assert_type(net.parameters()["dense_1.weights"], Floats)
assert_type(net.layers, tuple[cnn.Layer, ...])
assert_type(net.summary(), None)
assert_type(net.plan(32), None)
total = float(net.predict_proba(x).sum())
mean: NDArray[np.floating] = net.predict_proba(x)

net.predict()  # error: x
net.predict(x, batch_size="32")  # error: batch_size
net.predict_probability(x)  # error: predict_proba
net.evaluate(x)  # error: y
net.evaluate(x, y).acc  # error: accuracy
net.plan("32")  # error: batch_size
net.predict(x).lower()  # error: an array

net.save("digits.safetensors")
net.save(Path("digits.safetensors"))
assert_type(cnn.load(Path("digits.safetensors"), backend="numpy"), cnn.Sequential)
net.save()  # error: path
net.save(3)  # error: path
cnn.load(b"digits.safetensors")  # error: path
cnn.load("digits.safetensors", backend="cuda")  # error: backend

for label, probability, box in cnn.recognise(net, x[0]):
    assert_type(label, int | str)
    assert_type(probability, float)
    assert_type(box, tuple[int, int, int, int])
cnn.recognise(net, Path("page.jpg"), digits=True)
cnn.recognise(net)  # error: image
cnn.recognise("digits.safetensors", x)  # error: net
cnn.recognise(net, x[0], digits="yes")  # error: digits
