"""`cnn.from_onnx`: what is refused, by an error that names the node, its operation and its place."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import pytest

import cnn

onnx = pytest.importorskip("onnx", reason="it reads the files")

from onnx import TensorProto, helper  # noqa: E402

from . import graphs  # noqa: E402
from .graphs import normal  # noqa: E402

WEIGHTS = {"w": normal(3, 60), "b": normal(3)}
HEAD = [("Flatten", ["h"], "flat", {}), ("Gemm", ["flat", "w", "b"], "y", {"transB": 1})]

K = {"k": normal(2, 2, 3, 3)}
REFUSED = {
    "an operation": ([("Elu", ["x"], "bad", {})], {}, r"node 'bad' \(Elu, 1 of 3\): no layer here computes that"),
    "a domain": (
        [("Relu", ["x"], "bad", {"domain": "other"})],
        {},
        r"\(Relu, 1 of 3\): operations of the domain 'other'",
    ),
    "tanh GELU": ([("Gelu", ["x"], "bad", {"approximate": "tanh"})], {}, "approximate must be b'none', got b'tanh'"),
    "padding on one side": (
        [("Conv", ["x", "k"], "bad", {"pads": [2, 0, 0, 0]})],
        K,
        "padding must be as large on both",
    ),
    "weights of other channels": (
        [("Conv", ["x", "k"], "bad", {})],
        {"k": normal(2, 3, 3, 3)},
        "take 3 channels, got 2",
    ),
    "a kernel of volumes": ([("Conv", ["x", "k"], "bad", {})], {"k": normal(2, 2, 3)}, "of maps .n, channels"),
    "ceil": (
        [("MaxPool", ["x"], "bad", {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1})],
        {},
        "windows must not reach over the end",
    ),
    "a mean of zeros": (
        [("AveragePool", ["x"], "bad", {"kernel_shape": [3, 3], "pads": [1] * 4, "count_include_pad": 1})],
        {},
        "must not count the zeros",
    ),
    "a product of tensors": (
        [("Tanh", ["x"], "t", {}), ("Mul", ["x", "t"], "bad", {})],
        {},
        "neither a SiLU nor a GELU",
    ),
    "x + x": ([("Add", ["x", "x"], "bad", {})], {}, "adds a tensor to itself"),
    "a constant image": (
        [("Add", ["x", "k"], "bad", {})],
        {"k": normal(2, 6, 5)},
        "one number or one for each channel",
    ),
    "an image minus": ([("Relu", ["x"], "t", {}), ("Sub", ["x", "t"], "bad", {})], {}, "it subtracts two tensors"),
    "the error function alone": (
        [("Erf", ["x"], "bad", {})],
        {},
        "'bad' .Erf, 1 of 3.: the error function is not followed",
    ),
    "softmax in the middle": (
        [("Flatten", ["x"], "f", {}), ("Softmax", ["f"], "bad", {})],
        {},
        "a softmax is not followed",
    ),
    "zeros before a pooling": (
        [("Pad", ["x", "k"], "bad", {}), ("MaxPool", ["bad"], "h", {"kernel_shape": [2, 1]})],
        {"k": np.array([0, 0, 1, 0, 0, 0, 0, 0], np.int64)},
        "'bad' .Pad, .* a map with zeros around it is not followed",
    ),
    "a transposed map": (
        [("Transpose", ["x"], "bad", {"perm": [0, 2, 3, 1]}), ("Conv", ["bad", "k"], "h", {})],
        K,
        "channels first",
    ),
    "a number divided by images": ([("Div", ["k", "x"], "bad", {})], {"k": np.float32(2)}, "input 0 must be computed"),
    "images of another layout": (
        [
            ("Transpose", ["x"], "t", {"perm": [0, 1, 3, 2]}),
            ("Sigmoid", ["t"], "s", {}),
            ("Mul", ["x", "s"], "bad", {}),
        ],
        {},
        "different shapes or layouts",
    ),
    "whole numbers": ([("Mul", ["x", "k"], "bad", {})], {"k": np.int64(2)}, "must be of floating-point numbers"),
    "a bias for each image": (
        [("Flatten", ["x"], "f", {}), ("Gemm", ["f", "k", "k2"], "bad", {})],
        {"k": normal(60, 4), "k2": normal(4, 1)},
        "a bias must have one number or 4",
    ),
    "dropout in training": (
        [("Dropout", ["x", "k", "k2"], "bad", {})],
        {"k": np.float32(0.5), "k2": np.bool_(True)},
        "training_mode must be False",
    ),
    "the batch squeezed": (
        [("Squeeze", ["x", "k"], "bad", {})],
        {"k": np.array([0], np.int64)},
        "the batch must stay the first axis",
    ),
    "moments of images and channels": (
        [("ReduceMean", ["x"], "bad", {"axes": [0, 1]})],
        {},
        "must reduce the height and width",
    ),
    "a mean alone": ([("ReduceMean", ["x"], "bad", {"axes": [1]})], {}, "a part of a LayerNorm .mean. is not followed"),
    "a layer in two places": (
        [("Relu", ["x"], "r", {}), ("Add", ["r", "x"], "a", {}), ("Add", ["a", "r"], "bad", {})],
        {},
        "used in two places",
    ),
    "a stride of 0": ([("Conv", ["x", "k"], "bad", {"strides": [0, 1]})], K, r"node 'bad' .* by zero"),
    "constants that do not fit": (
        [("Add", ["k", "k2"], "c", {}), ("Add", ["x", "c"], "bad", {})],
        {"k": normal(2), "k2": np.array([1, 2], np.int64)},
        r"node 'c' .Add, 1 of 4.: its constants cannot be computed",
    ),
    "a batch that moves": ([("Transpose", ["x"], "bad", {"perm": [1, 0, 2, 3]})], {}, "must keep the batch"),
    "a reshape": (
        [("Relu", ["x"], "r", {}), ("Reshape", ["r", "k"], "bad", {})],
        {"k": np.array([0, 4, 3, 5])},
        "must make rows of maps",
    ),
    "a reshape of the batch": (
        [("Reshape", ["x", "k"], "bad", {})],
        {"k": np.array([2, -1])},
        "batch must stay the first",
    ),
    "an axis that is normalised": (
        [("LayerNormalization", ["x", "k"], "bad", {})],
        {"k": normal(5)},
        "along the channels",
    ),
    "the second output": (
        [("Dropout", ["x"], "d", {}), ("Cast", ["mask"], "bad", {"to": 1})],
        {},
        "'mask'|valid model",
    ),
    "another precision": (
        [("Cast", ["x"], "c", {"to": TensorProto.FLOAT16}), ("Cast", ["c"], "bad", {"to": 1})],
        {},
        "must cast to float32",
    ),
}


def broken(case):
    nodes, constants, message = REFUSED[case]
    nodes = [(op, inputs, output, dict(given)) for op, inputs, output, given in nodes]
    last = nodes[-1][2]
    made = [*nodes, ("Flatten", [last], "flat", {}), ("Gemm", ["flat", "w", "b"], "y", {"transB": 1})]
    return made, constants | WEIGHTS, message


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(tmp_path, case):
    nodes, constants, message = broken(case)
    opset = 20 if case == "tanh GELU" else 17
    path = graphs.save(tmp_path / "net.onnx", graphs.model(nodes, constants, opset=opset))
    with pytest.raises(ValueError, match=message) as caught:
        cnn.from_onnx(path)
    assert repr(path) in str(caught.value)


def save(tmp_path, model) -> str:
    return graphs.save(tmp_path / "net.onnx", model)


def test_weights_in_other_files_are_refused(tmp_path):
    model = graphs.model([("Relu", ["x"], "h", {}), *HEAD], WEIGHTS)
    onnx.save(model, tmp_path / "net.onnx", save_as_external_data=True, location="weights", size_threshold=0)
    with pytest.raises(ValueError, match=r"the data of '.' must be in the file itself"):
        cnn.from_onnx(tmp_path / "net.onnx")


def test_what_is_no_model(tmp_path):
    path = tmp_path / "net.onnx"
    for content in (b"", b"\xff" * 100, b"PK\x03\x04"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"net\.onnx' cannot be loaded"):
            cnn.from_onnx(path)
    with pytest.raises(FileNotFoundError):
        cnn.from_onnx(tmp_path / "missing.onnx")
    with pytest.raises(TypeError, match="path"):
        cnn.from_onnx(None)


def test_other_inputs_and_outputs_are_refused(tmp_path):
    nodes = [("Relu", ["x"], "h", {}), *HEAD]
    model = graphs.model(nodes, WEIGHTS)
    model.graph.input.append(helper.make_tensor_value_info("z", 1, [1]))
    with pytest.raises(ValueError, match=r"must have one input, images, got \['x', 'z'\]"):
        cnn.from_onnx(save(tmp_path, model))
    model = graphs.model(nodes, WEIGHTS)
    model.graph.output.append(helper.make_tensor_value_info("h", 1, ("n", 2, 6, 5)))
    with pytest.raises(ValueError, match="must have one output"):
        cnn.from_onnx(save(tmp_path, model))
    with pytest.raises(ValueError, match="must have a fixed shape"):
        cnn.from_onnx(save(tmp_path, graphs.model(nodes, WEIGHTS, shape=("n", 2, "h", "w"))))
    with pytest.raises(ValueError, match=r"output must be a row for each image, got \(2, 6, 5\)"):
        cnn.from_onnx(save(tmp_path, graphs.model(nodes[:1], {}, outputs=("n", 2, 6, 5))))
    with pytest.raises(ValueError, match="flattened map with channels first"):
        cnn.from_onnx(save(tmp_path, graphs.model([("Flatten", ["x"], "y", {})], {}, outputs=("n", 60))))
    with pytest.raises(ValueError, match="output must be of float32 or float64"):
        cnn.from_onnx(save(tmp_path, graphs.model(nodes, WEIGHTS, kind=TensorProto.FLOAT16)))


def test_an_old_opset_is_refused(tmp_path):
    with pytest.raises(ValueError, match="its opset must be at least 7, got 6"):
        cnn.from_onnx(save(tmp_path, graphs.model([("Relu", ["x"], "h", {}), *HEAD], WEIGHTS, opset=6)))


def test_constants_that_grow_without_end_are_refused(tmp_path):
    # Each line of nodes doubles what it is given.
    lines = [("Concat", [f"c{i}", f"c{i}"], f"c{i + 1}", {"axis": 0}) for i in range(40)]
    nodes = [*lines, ("Add", ["x", "c40"], "h", {}), *HEAD]
    path = save(tmp_path, graphs.model(nodes, {"c0": np.zeros(1024, np.float32)} | WEIGHTS))
    with pytest.raises(ValueError, match=r"constants must have at most 67,108,864 numbers"):
        cnn.from_onnx(path)
    nodes = [("ConstantOfShape", ["s"], "c", {}), ("Add", ["x", "c"], "h", {}), *HEAD]
    path = save(tmp_path, graphs.model(nodes, {"s": np.array([1 << 40], np.int64)} | WEIGHTS))
    with pytest.raises(ValueError, match="constants must have at most"):
        cnn.from_onnx(path)


def test_damaged_files_raise_value_errors_alone(tmp_path):
    path = tmp_path / "net.onnx"
    cnn.export.onnx(cnn.Sequential([cnn.Conv2D(2, 3), cnn.Flatten(), cnn.Dense(2)], (6, 5, 1), seed=0), path)
    whole, rng = path.read_bytes(), np.random.default_rng(0)
    for _ in range(300):
        damaged = bytearray(whole[: rng.integers(len(whole))] if rng.random() < 0.2 else whole)
        for _ in range(int(rng.integers(1, 4))):
            damaged[rng.integers(len(damaged))] = rng.integers(256)
        path.write_bytes(damaged)
        with suppress(ValueError):  # in a weight or a name, nobody sees it
            cnn.from_onnx(path)
