"""`cnn.from_onnx`: graphs as other programs write them, against ONNX Runtime; and those that are no nets here."""

from __future__ import annotations

import math

import numpy as np
import pytest

import cnn

pytest.importorskip("onnx", reason="it reads the files")
pytest.importorskip("onnxruntime", reason="it runs them")

from onnx import TensorProto

from . import graphs
from .graphs import normal

pytestmark = pytest.mark.usefixtures("one_thread")

# Each case ends with what makes maps (n, 2, 6, 5) logits (n, 3): `HEAD` does.
WEIGHTS = {"w": normal(3, 60), "b": normal(3)}
HEAD = [("Flatten", ["h"], "flat", {}), ("Gemm", ["flat", "w", "b"], "y", {"transB": 1})]
CHANNELS = {"c1": normal(2, 1, 1), "d1": normal(1, 2, 1, 1, seed=1), "one": np.float32(1), "half": np.float32(0.5)}
ROOT = {"root": np.float32(math.sqrt(2)), "inverse": np.float32(math.sqrt(0.5))}
ONES = np.array([2, 3], np.int64)

# (nodes, constants) -> the layers before the head
MAPS = {
    "Sub and Div by numbers": ([("Sub", ["x", "half"], "s", {}), ("Div", ["s", "root"], "h", {})], ["Rescaling"] * 2),
    "a number minus x": ([("Sub", ["half", "x"], "h", {})], ["Rescaling"]),
    "Mul and Add of channels": ([("Mul", ["c1", "x"], "m", {}), ("Add", ["m", "d1"], "h", {})], ["BatchNorm"]),
    "Sub, Div, Add of channels": (
        [("Sub", ["x", "c1"], "s", {}), ("Div", ["s", "d1"], "t", {}), ("Add", ["t", "c1"], "h", {})],
        ["BatchNorm"],
    ),
    "SiLU": ([("Sigmoid", ["x"], "s", {}), ("Mul", ["s", "x"], "h", {})], ["SiLU"]),
    "GELU of PyTorch": (
        [
            ("Div", ["x", "root"], "d", {}),
            ("Erf", ["d"], "e", {}),
            ("Add", ["e", "one"], "a", {}),
            ("Mul", ["x", "a"], "m", {}),
            ("Mul", ["m", "half"], "h", {}),
        ],
        ["GELU"],
    ),
    "GELU, halved first": (
        [
            ("Mul", ["x", "half"], "f", {}),
            ("Mul", ["x", "inverse"], "d", {}),
            ("Erf", ["d"], "e", {}),
            ("Add", ["one", "e"], "a", {}),
            ("Mul", ["a", "f"], "h", {}),
        ],
        ["GELU"],
    ),
    "GELU, doubled": (
        [
            ("Div", ["x", "root"], "d", {}),
            ("Erf", ["d"], "e", {}),
            ("Add", ["e", "one"], "a", {}),
            ("Mul", ["x", "a"], "h", {}),
        ],
        ["GELU", "Rescaling"],
    ),
    "LeakyRelu, Softplus, Tanh": (
        [("LeakyRelu", ["x"], "l", {"alpha": 0.3}), ("Softplus", ["l"], "s", {}), ("Tanh", ["s"], "h", {})],
        ["LeakyReLU", "Softplus", "Tanh"],
    ),
    "Softplus of PyTorch": (
        [("Softplus", ["x"], "s", {}), ("Greater", ["x", "twenty"], "g", {}), ("Where", ["g", "x", "s"], "h", {})],
        ["Softplus"],
    ),
    "a normalisation in parts": (
        [
            ("ReduceMean", ["x"], "m", {"axes": [1]}),
            ("Sub", ["x", "m"], "d", {}),
            ("Pow", ["d", "two"], "q", {}),
            ("ReduceMean", ["q"], "v", {"axes": [1]}),
            ("Add", ["v", "half"], "e", {}),
            ("Sqrt", ["e"], "r", {}),
            ("Div", ["d", "r"], "n", {}),
            ("Mul", ["n", "c1"], "s", {}),
            ("Add", ["s", "d1"], "h", {}),
        ],
        ["LayerNorm", "BatchNorm"],
    ),
    "Dropout and Identity": ([("Identity", ["x"], "i", {}), ("Dropout", ["i", "half", "no"], "h", {})], ["Dropout"]),
    "a block": ([("Relu", ["x"], "r", {}), ("Add", ["x", "r"], "h", {})], ["Residual"]),
    "two blocks, one in the other": (
        [
            ("Relu", ["x"], "r", {}),
            ("Tanh", ["r"], "t", {}),
            ("Add", ["t", "r"], "a", {}),
            ("Sigmoid", ["x"], "s", {}),
            ("Add", ["a", "s"], "h", {}),
        ],
        ["Residual"],
    ),
    "Conv with padding of Pad": (
        [("Pad", ["x", "pads"], "p", {}), ("Conv", ["p", "k"], "h", {"kernel_shape": [3, 2]})],
        ["Conv2D"],
    ),
    "Conv as Keras pads": ([("Conv", ["x", "k"], "h", {"auto_pad": "SAME_UPPER"})], ["Conv2D"]),
    "Conv with a bias of Add": (
        [("Conv", ["x", "k"], "v", {"pads": [1, 0, 1, 1]}), ("Add", ["v", "c1"], "h", {})],
        ["Conv2D"],
    ),
    "Conv of groups": ([("Conv", ["x", "kg", "b2"], "h", {"group": 2})], ["DepthwiseConv2D"]),
    "Conv between transposes": (
        [
            ("Transpose", ["x"], "l", {"perm": [0, 2, 3, 1]}),
            ("Relu", ["l"], "r", {}),
            ("Transpose", ["r"], "f", {"perm": [0, 3, 1, 2]}),
            ("Conv", ["f", "kg", "b2"], "h", {"group": 2}),
        ],
        ["ReLU", "DepthwiseConv2D"],
    ),
    "poolings that keep the size": (
        [
            ("MaxPool", ["x"], "m", {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}),
            ("AveragePool", ["m"], "h", {"kernel_shape": [3, 1], "pads": [1, 0, 1, 0]}),
        ],
        ["MaxPool2D", "AvgPool2D"],
    ),
    "LayerNormalization between transposes": (
        [
            ("Transpose", ["x"], "l", {"perm": [0, 2, 3, 1]}),
            ("LayerNormalization", ["l", "c2"], "n", {}),
            ("Transpose", ["n"], "h", {"perm": [0, 3, 1, 2]}),
        ],
        ["LayerNorm"],
    ),
    "BatchNormalization": (
        [("BatchNormalization", ["x", "c2", "b2", "b2", "v2"], "h", {"momentum": 0.8})],
        ["BatchNorm"],
    ),
}
CONSTANTS = (
    CHANNELS
    | ROOT
    | WEIGHTS
    | {
        "twenty": np.float32(20),
        "two": np.float32(2),
        "no": np.bool_(False),
        "pads": np.array([0, 0, 1, 0, 0, 0, 1, 1], np.int64),
        "k": normal(2, 2, 3, 2),
        "kg": normal(2, 1, 1, 1),
        "b2": normal(2, seed=2),
        "c2": normal(2, seed=3),
        "v2": np.array([0.5, 2], np.float32),
    }
)


def used(nodes) -> dict:
    names = {name for _, inputs, _, _ in nodes for name in inputs}
    return {name: value for name, value in CONSTANTS.items() if name in names}


def check(path, layers, x) -> cnn.Sequential:
    """The net of a file, whose logits are those of ONNX Runtime."""
    net = cnn.from_onnx(path)
    assert [type(layer).__name__ for layer in net.layers] == layers
    images = x.transpose(0, 2, 3, 1) if x.ndim == 4 and x.shape[1:] != net.input_shape else x
    expected = graphs.run(path, x)
    np.testing.assert_allclose(net.predict_logits(images), expected, rtol=0, atol=1e-5 * np.abs(expected).max())
    return net


@pytest.mark.parametrize("case", MAPS)
def test_maps(tmp_path, case):
    nodes, layers = MAPS[case]
    path = graphs.save(tmp_path / "net.onnx", graphs.model([*nodes, *HEAD], used([*nodes, *HEAD])))
    check(path, [*layers, "Flatten", "Dense"], normal(4, 2, 6, 5))


# What makes rows of maps (n, 2, 6, 5) or of others, and how large they are.
ROWS = {
    "GlobalAveragePool, Flatten": (
        [("GlobalAveragePool", ["x"], "g", {}), ("Flatten", ["g"], "r", {})],
        2,
        "GlobalAvgPool2D",
    ),
    "GlobalMaxPool, Squeeze": (
        [("GlobalMaxPool", ["x"], "g", {}), ("Squeeze", ["g", "axes"], "r", {})],
        2,
        "GlobalMaxPool2D",
    ),
    "ReduceMean": ([("ReduceMean", ["x"], "r", {"axes": [2, 3], "keepdims": 0})], 2, "GlobalAvgPool2D"),
    "ReduceMax, channels last": (
        [
            ("Transpose", ["x"], "l", {"perm": [0, 2, 3, 1]}),
            ("ReduceMax", ["l"], "r", {"axes": [-3, -2], "keepdims": 0}),
        ],
        2,
        "GlobalMaxPool2D",
    ),
    "Reshape to the batch and the rest": ([("Reshape", ["x", "to_rest"], "r", {})], 60, "Flatten"),
    "Reshape to any batch": ([("Reshape", ["x", "to_60"], "r", {})], 60, "Flatten"),
    "Reshape by a shape that is computed": (
        [
            ("Shape", ["x"], "s", {}),
            ("Gather", ["s", "zero"], "n", {"axis": 0}),
            ("Unsqueeze", ["n", "first"], "u", {}),
            ("Concat", ["u", "rest"], "t", {"axis": 0}),
            ("Reshape", ["x", "t"], "r", {}),
        ],
        60,
        "Flatten",
    ),
    "Transpose, Reshape": (
        [("Transpose", ["x"], "l", {"perm": [0, 2, 3, 1]}), ("Reshape", ["l", "to_60"], "r", {})],
        60,
        "Flatten",
    ),
}
OF_SHAPES = {
    "axes": ONES,
    "to_rest": np.array([0, -1], np.int64),
    "to_60": np.array([-1, 60], np.int64),
    "zero": np.int64(0),
    "first": np.array([0], np.int64),
    "rest": np.array([-1], np.int64),
}


@pytest.mark.parametrize("batch", ["n", 4])
@pytest.mark.parametrize("case", ROWS)
def test_rows(tmp_path, case, batch):
    nodes, inputs, layer = ROWS[case]
    nodes = [
        *nodes,
        ("MatMul", ["r", "w"], "m", {}),
        ("Add", ["b", "m"], "a", {}),
        ("Softmax", ["a"], "y", {"axis": -1}),
    ]
    names = {name for _, given, _, _ in nodes for name in given}
    constants = {name: value for name, value in OF_SHAPES.items() if name in names} | {
        "w": normal(inputs, 3),
        "b": normal(3),
    }
    path = graphs.save(tmp_path / "net.onnx", graphs.model(nodes, constants, shape=(batch, 2, 6, 5)))
    net, x = cnn.from_onnx(path), normal(4, 2, 6, 5)
    assert [type(each).__name__ for each in net.layers] == [layer, "Dense"]
    np.testing.assert_allclose(net.predict_proba(x.transpose(0, 2, 3, 1)), graphs.run(path, x), rtol=0, atol=1e-6)


def test_a_pooling_of_a_whole_map_below_a_convolution(tmp_path):
    nodes = [
        ("GlobalAveragePool", ["x"], "g", {}), ("Conv", ["g", "k"], "v", {}), ("Relu", ["v"], "r", {}),
        ("Flatten", ["r"], "y", {}),
    ]  # fmt: skip
    path = graphs.save(tmp_path / "net.onnx", graphs.model(nodes, {"k": normal(3, 2, 1, 1)}))
    check(path, ["AvgPool2D", "Conv2D", "ReLU", "Flatten"], normal(4, 2, 6, 5))


def test_a_graph_as_cntk_wrote_them(tmp_path):
    """Its MNIST model: a fixed batch, zeros by `auto_pad`, biases of maps, weights that the graph itself reshapes."""
    windows = {"kernel_shape": [2, 2], "strides": [2, 2]}
    nodes = [
        ("Div", ["x", "full"], "s", {}),
        ("Conv", ["s", "k1"], "v1", {"auto_pad": "SAME_UPPER", "kernel_shape": [5, 5]}),
        ("Add", ["v1", "b1"], "a1", {}),
        ("Relu", ["a1"], "r1", {}),
        ("MaxPool", ["r1"], "p1", windows),
        ("Conv", ["p1", "k2"], "v2", {"auto_pad": "SAME_UPPER", "kernel_shape": [5, 5]}),
        ("Add", ["v2", "b2"], "a2", {}),
        ("Reshape", ["a2", "row"], "r", {}),
        ("Reshape", ["w", "matrix"], "m", {}),
        ("MatMul", ["r", "m"], "d", {}),
        ("Add", ["d", "b"], "y", {}),
    ]
    constants = {
        "full": np.float32(255), "k1": normal(3, 1, 5, 5), "b1": normal(3, 1, 1), "k2": normal(4, 3, 5, 5),
        "b2": normal(4, 1, 1), "row": np.array([1, 64]), "w": normal(4, 4, 4, 3), "matrix": np.array([64, 3]),
        "b": normal(1, 3),
    }  # fmt: skip
    path = graphs.save(tmp_path / "net.onnx", graphs.model(nodes, constants, (1, 1, 8, 8), (1, 3), opset=8))
    check(path, ["Rescaling", "Conv2D", "ReLU", "MaxPool2D", "Conv2D", "Flatten", "Dense"], normal(1, 1, 8, 8))


def test_rows_as_input_with_a_map_made_of_them(tmp_path):
    nodes = [("Reshape", ["x", "shape"], "h", {}), ("Relu", ["h"], "r", {}), *HEAD]
    nodes[2] = ("Flatten", ["r"], "flat", {})
    constants = {"shape": np.array([-1, 1, 6, 10], np.int64), **WEIGHTS}
    path = graphs.save(tmp_path / "net.onnx", graphs.model(nodes, constants, shape=("n", 60)))
    net, x = cnn.from_onnx(path), normal(4, 60)
    assert net.input_shape == (6, 10, 1)
    np.testing.assert_allclose(net.predict_logits(x.reshape(4, 6, 10, 1)), graphs.run(path, x), rtol=0, atol=1e-4)


def test_float64(tmp_path):
    constants = {name: value.astype(float) for name, value in WEIGHTS.items()}
    nodes = [("Relu", ["x"], "h", {}), *HEAD]
    path = graphs.save(tmp_path / "net.onnx", graphs.model(nodes, constants, kind=TensorProto.DOUBLE))
    net, x = cnn.from_onnx(path), normal(4, 2, 6, 5).astype(float)
    assert net.dtype == np.float64
    np.testing.assert_allclose(net.predict_logits(x.transpose(0, 2, 3, 1)), graphs.run(path, x), rtol=1e-12, atol=1e-12)


def test_backend_and_loss(tmp_path):
    path = graphs.save(tmp_path / "net.onnx", graphs.model([("Relu", ["x"], "h", {}), *HEAD], WEIGHTS))
    net = cnn.from_onnx(path, "numpy", loss=cnn.losses.BinaryCrossEntropy())
    assert (net.backend, repr(net.loss)) == ("numpy", "BinaryCrossEntropy()")
    with pytest.raises(ValueError, match="backend"):
        cnn.from_onnx(path, "gpu")
