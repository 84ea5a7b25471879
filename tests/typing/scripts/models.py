"""Nets as ONNX files and from them, as modules of PyTorch and from them."""

from pathlib import Path

import numpy as np
from typing_extensions import assert_type

import cnn

net = cnn.models.lenet5()

assert_type(cnn.export.onnx(net, Path("digits.onnx"), opset=np.int64(20), input_dtype="uint8", softmax=True), None)
cnn.export.onnx(net, "digits.onnx", input_dtype="int8")  # error: input_dtype
cnn.export.onnx(net, "digits.onnx", 17)  # error: opset is named
cnn.export.onnx(net)  # error: path

assert_type(cnn.from_onnx("digits.onnx"), cnn.Sequential)
cnn.from_onnx(Path("digits.onnx"), "numpy", loss=cnn.losses.Huber())
cnn.from_onnx(b"digits.onnx")  # error: path
cnn.from_onnx("digits.onnx", backend="cuda")  # error: backend

module = cnn.export.torch(net)
assert_type(cnn.from_torch(module, (28, 28, 1)), cnn.Sequential)
cnn.from_torch(module, input_shape=[28, 28, 1], backend="numpy")
cnn.from_torch(module)  # error: input_shape

net.load_state_dict("lenet.safetensors")
net.load_state_dict({"conv1.weight": np.zeros((6, 1, 5, 5))})
net.load_state_dict(3)  # error: source
