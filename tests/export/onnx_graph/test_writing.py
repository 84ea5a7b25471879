"""`cnn.export.onnx`: what the file holds, its options, and what is refused."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest

import cnn
from cnn.layers import registry

from ...full_disk import largest_file
from .. import random_nets

onnx = pytest.importorskip("onnx", reason="it writes the files")
onnxruntime = pytest.importorskip("onnxruntime", reason="it runs them")

pytestmark = pytest.mark.usefixtures("one_thread")


def run(path, x) -> np.ndarray:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (result,) = session.run(None, {session.get_inputs()[0].name: x})
    return result


@pytest.fixture
def path(tmp_path):
    return tmp_path / "net.onnx"


@pytest.fixture
def x():
    return np.random.default_rng(0).integers(0, 256, (6, 12, 10, 2), np.uint8)


def small(head=(), loss=None, **options) -> cnn.Sequential:
    layers = [
        cnn.Rescaling(1 / 255, -0.5), cnn.Conv2D(4, 3, padding="same", stride=2, activation="gelu"), cnn.LayerNorm(),
        cnn.MaxPool2D(2), cnn.Dropout(0.5), cnn.Flatten(), cnn.SiLU(), cnn.Dense(5), *head,
    ]  # fmt: skip
    return cnn.Sequential(layers, (12, 10, 2), seed=0, loss=loss, **options)


def test_every_layer_has_the_method():
    assert [name for name, kind in registry.LAYERS.items() if not hasattr(kind, "to_onnx")] == []


def test_nodes_and_tensors_have_the_names_of_the_layers(path):
    net = cnn.Sequential(
        [cnn.Residual([cnn.Dense(4), cnn.SiLU()], cnn.Dense(4)), cnn.ReLU(), cnn.Dropout(0.1), cnn.Dense(2)], (3,)
    )
    cnn.export.onnx(net, path)
    graph = onnx.load(path).graph
    names = [node.name for node in graph.node]
    assert [node.output[0] for node in graph.node] == names
    assert names == [
        "residual_1.dense_1", "residual_1.silu_1.sigmoid_1", "residual_1.silu_1", "residual_1.dense_2", "residual_1",
        "relu_1", "logits",
    ]  # fmt: skip
    assert [each.name for each in graph.initializer] == list(net.parameters())


@pytest.mark.parametrize(("opset", "ir"), [(17, 8), (18, 8), (19, 9), (20, 9), (21, 10)])
def test_opsets(path, x, opset, ir):
    net = small()
    cnn.export.onnx(net, path, opset=opset)
    model = onnx.load(path)
    assert (model.opset_import[0].version, model.ir_version, model.producer_name) == (opset, ir, "cnn-c")
    assert ("Gelu" in {node.op_type for node in model.graph.node}) == (opset >= 20)
    logits = net.predict_logits(x)
    assert random_nets.difference(run(path, x.transpose(0, 3, 1, 2).astype(np.float32)), logits) <= 1e-5
    assert cnn.from_onnx(path).predict_logits(x).tobytes() == logits.tobytes()


@pytest.mark.parametrize("n", [1, 6])
def test_bytes_as_input_with_probabilities(path, x, n):
    net = small()
    net.export(path, input_dtype="uint8", softmax=True)
    session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    (images,), (output,) = session.get_inputs(), session.get_outputs()
    assert (images.name, images.type, images.shape) == ("images", "tensor(uint8)", ["n", 2, 12, 10])
    assert (output.name, output.type, output.shape) == ("probabilities", "tensor(float)", ["n", 5])
    np.testing.assert_allclose(run(path, x[:n].transpose(0, 3, 1, 2)), net.predict_proba(x[:n]), rtol=0, atol=1e-6)


@pytest.mark.parametrize("operation", ["Transpose", "Reshape"])
def test_no_map_is_transposed_for_a_dense_layer(path, operation):
    cnn.export.onnx(cnn.models.lenet5(seed=0), path)
    assert operation not in {node.op_type for node in onnx.load(path).graph.node}


@pytest.mark.parametrize(
    "above",
    [[cnn.BatchNorm(), cnn.Dense(3)], [cnn.Residual([cnn.Tanh()]), cnn.Dense(3)], [cnn.ReLU()], [cnn.LayerNorm()]],
    ids=lambda layers: type(layers[0]).__name__,
)
def test_a_map_is_transposed_where_its_row_goes_elsewhere(path, x, above):
    net = cnn.Sequential([cnn.Conv2D(3, 3), cnn.Flatten(), *[layer.anew() for layer in above]], (12, 10, 2), seed=0)
    cnn.export.onnx(net, path)
    assert [node.op_type for node in onnx.load(path).graph.node][1] == "Transpose"
    logits = net.predict_logits(x)
    assert random_nets.difference(run(path, x.transpose(0, 3, 1, 2).astype(np.float32)), logits) <= 1e-5
    random_nets.assert_same_bits(net, cnn.from_onnx(path), x)


def test_metadata(path, x):
    net = small(loss=cnn.losses.SoftmaxCrossEntropy(0.1))
    net.classes = ["ä", "b", "c", "d", "e"]
    net.train_on_batch(x, [0] * 6, cnn.SGD(0.1))
    cnn.export.onnx(net, path)
    assert {each.key: json.loads(each.value) for each in onnx.load(path).metadata_props} == {
        "classes": ["ä", "b", "c", "d", "e"],
        "rescaling": {"scale": 1 / 255, "offset": -0.5},
        "image_range": {"dtype": "uint8", "minimum": 0.0, "maximum": 255.0},
        "loss": {"loss": "SoftmaxCrossEntropy", "label_smoothing": 0.1},
    }
    back = cnn.from_onnx(path)
    assert (back.classes, back.image_range) == (net.classes, net.image_range)
    assert repr(back.loss) == repr(net.loss)


@pytest.mark.parametrize("softmax", [False, True])
def test_the_probabilities_of_bits_are_sigmoids(path, x, softmax):
    net = small(loss=cnn.losses.BinaryCrossEntropy())
    cnn.export.onnx(net, path, softmax=softmax)
    expected = net.predict_proba(x) if softmax else net.predict_logits(x)
    assert random_nets.difference(run(path, x.transpose(0, 3, 1, 2).astype(np.float32)), expected) <= 1e-5
    back = cnn.from_onnx(path)
    assert back.predict_logits(x).tobytes() == net.predict_logits(x).tobytes()
    assert (back.predict(x) == net.predict(x)).all()


def test_values_have_no_probabilities(path):
    net = small(loss=cnn.losses.Huber(0.5))
    with pytest.raises(ValueError, match=r"softmax must be False for a net trained by Huber\(delta=0.5\)"):
        cnn.export.onnx(net, path, softmax=True)
    assert not path.exists()
    cnn.export.onnx(net, path)
    assert onnx.load(path).graph.output[0].name == "outputs"
    assert repr(cnn.from_onnx(path).loss) == "Huber(delta=0.5)"


def test_a_net_in_float64_is_written_in_float32(path, x):
    net = small(dtype="float64")
    cnn.export.onnx(net, path)
    assert random_nets.difference(run(path, x.transpose(0, 3, 1, 2).astype(np.float32)), net.predict_logits(x)) <= 1e-5
    assert cnn.from_onnx(path).dtype == np.float32


def test_images_without_channels_and_nets_that_compute_nothing(path):
    x = np.random.default_rng(0).standard_normal((3, 4, 5)).astype(np.float32)
    for net in (
        cnn.Sequential([cnn.Flatten(), cnn.Dense(3)], (4, 5), seed=0),
        cnn.Sequential([cnn.Flatten()], (4, 5)),
        cnn.Sequential([cnn.Dropout(0.5)], (4,)),
    ):
        cnn.export.onnx(net, path)
        images = x[:, :, 0] if len(net.input_shape) == 1 else x
        np.testing.assert_allclose(run(path, images), net.predict_logits(images), rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="at least one layer"):  # of what computes nothing, nothing comes back
        cnn.from_onnx(path)
    with pytest.raises(ValueError, match="batchnorm_1 must normalise maps"):
        cnn.export.onnx(cnn.Sequential([cnn.BatchNorm(), cnn.Flatten()], (4, 5)), path)


class Halved(cnn.Layer):
    """With a method of its own for the file."""

    def apply(self, x, training):
        return x / 2, None

    def apply_gradient(self, dy, kept):
        return dy / 2

    def to_onnx(self, graph):
        graph.add("Div", graph.constant("two", 2))


class Reversed(cnn.ReLU):
    def apply(self, x, training):
        return -x, None

    def apply_gradient(self, dy, kept):
        return -dy


def test_a_layer_of_ones_own(path):
    x = np.random.default_rng(0).standard_normal((3, 4)).astype(np.float32)
    net = cnn.Sequential([cnn.Dense(2), Halved()], (4,), seed=0)
    cnn.export.onnx(net, path)
    np.testing.assert_allclose(run(path, x), net.predict_logits(x), rtol=1e-5)
    with pytest.raises(
        ValueError, match=r"reversed_1, a Reversed, cannot be written as ONNX: .* no to_onnx of its own"
    ):
        cnn.export.onnx(cnn.Sequential([cnn.Dense(2), Reversed()], (4,)), path)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"opset": 16}, ValueError, "opset must be at least 17, got 16"),
        ({"opset": 22}, ValueError, "opset must be .*21, got 22"),
        ({"opset": "17"}, TypeError, "opset must be an integer, got '17'"),
        ({"input_dtype": "int8"}, ValueError, 'input_dtype must be "float32" or "uint8", got \'int8\''),
        ({"softmax": 1}, TypeError, "softmax must be True or False, got 1"),
    ],
)
def test_options_that_are_none(path, options, error, message):
    with pytest.raises(error, match=message):
        cnn.export.onnx(small(), path, **options)
    assert not path.exists()


def test_a_full_disk_leaves_the_old_file(path):
    path.write_bytes(b"old")
    with largest_file(1000), pytest.raises(OSError, match=r"cannot be written: .*net\.onnx"):
        cnn.export.onnx(small(), path)
    assert path.read_bytes() == b"old"
    assert [each.name for each in path.parent.iterdir()] == ["net.onnx"]
    with pytest.raises(OSError, match=r"net\.onnx"):
        cnn.export.onnx(small(), path.parent / "missing" / "net.onnx")


def test_without_the_package_the_error_says_how_to_install_it(path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r"pip install 'cnn-c\[onnx\]'"):
        cnn.export.onnx(small(), path)
