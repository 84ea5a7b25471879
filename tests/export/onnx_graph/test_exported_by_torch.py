"""Models that PyTorch's two exporters wrote are read, and give what the modules give."""

from __future__ import annotations

import io
import warnings
from contextlib import redirect_stderr, redirect_stdout

import numpy as np
import pytest

import cnn

pytest.importorskip("onnx", reason="it reads the files")
pytest.importorskip("onnxscript", reason="PyTorch's exporter needs it")
torch = pytest.importorskip("torch", reason="its exporters write the files")

from .. import torch_models  # noqa: E402
from ..random_nets import difference  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")


def export(module, path, *, dynamo: bool, free_batch: bool) -> None:
    x, options = torch_models.images(4), {}
    if free_batch and dynamo:
        options = {"dynamic_shapes": ({0: torch.export.Dim("batch")},)}
    elif free_batch:
        options = {"input_names": ["x"], "dynamic_axes": {"x": {0: "batch"}}}
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")  # of its own future
        torch.onnx.export(module, (x,), path, dynamo=dynamo, verbose=False, external_data=False, **options)


def check(name: str, path, **options) -> None:
    module, x = torch_models.made(name), torch_models.images(4)
    export(module, path, **options)
    logits = cnn.from_onnx(path).predict_logits(x.numpy().transpose(0, 2, 3, 1))
    if name == "MNIST example":
        logits = torch.log_softmax(torch.from_numpy(logits), 1).numpy()
    assert difference(logits, torch_models.outputs(module, x)) <= 1e-5


@pytest.mark.parametrize("free_batch", [True, False], ids=["free batch", "fixed batch"])
@pytest.mark.parametrize("name", torch_models.MODELS)
def test_the_exporter_of_torchscript(tmp_path, name, free_batch):
    check(name, tmp_path / "net.onnx", dynamo=False, free_batch=free_batch)


def test_the_exporter_of_dynamo(tmp_path):
    check("MNIST example", tmp_path / "net.onnx", dynamo=True, free_batch=True)


@pytest.mark.slow
@pytest.mark.parametrize("free_batch", [True, False], ids=["free batch", "fixed batch"])
@pytest.mark.parametrize("name", torch_models.MODELS)
def test_the_exporter_of_dynamo_on_all(tmp_path, name, free_batch):
    check(name, tmp_path / "net.onnx", dynamo=True, free_batch=free_batch)


def test_the_layers_are_those_of_the_module(tmp_path):
    export(torch_models.made("MNIST example"), tmp_path / "net.onnx", dynamo=False, free_batch=True)
    net = cnn.from_onnx(tmp_path / "net.onnx")
    assert [type(layer).__name__ for layer in net.layers] == [
        "Conv2D", "ReLU", "Conv2D", "ReLU", "MaxPool2D", "Flatten", "Dense", "ReLU", "Dense",
    ]  # fmt: skip
    assert (net.input_shape, net.output_shape, net.dtype) == ((28, 28, 1), (10,), np.float32)
