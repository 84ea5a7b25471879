"""The programs of docs/formats.md about ONNX, PyTorch and Keras, run one after the other in one namespace."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import cnn

PAGE = Path(__file__).parent.parent.parent / "docs" / "formats.md"

pytestmark = pytest.mark.usefixtures("one_thread")


def test_the_programs_run(tmp_path, monkeypatch):
    for package in ("onnx", "onnxruntime", "torch"):
        pytest.importorskip(package)
    monkeypatch.chdir(tmp_path)
    sections = PAGE.read_text(encoding="utf-8").split("\n## ONNX\n")[1].split("\n## C\n")[0]
    programs = re.findall(r"(?ms)^```python\n(.*?)^```", sections)
    assert len(programs) == 4
    namespace = {"__name__": "formats"}
    for program in programs:
        exec(compile(program, PAGE.name, "exec"), namespace)
    assert namespace["net"].input_shape == (28, 28, 1)


@pytest.mark.parametrize("layer", [cnn.DepthwiseConv2D(3, multiplier=2), cnn.BatchNorm()], ids=["depthwise", "norm"])
def test_the_layout_of_keras_arrays(layer):
    """A kernel (kh, kw, c, multiplier) gives channel c * multiplier + m; arrays come in the order of `get_weights`."""
    net = cnn.Sequential([layer, cnn.Flatten(), cnn.Dense(2)], (4, 4, 3), seed=0)
    assert list(layer.parameters) + list(layer.statistics) in (
        ["weights", "bias"],
        ["gamma", "beta", "mean", "variance"],
    )
    if isinstance(layer, cnn.DepthwiseConv2D):
        kernel = np.arange(54, dtype=np.float32).reshape(3, 3, 3, 2)
        layer.weights = kernel.reshape(3, 3, 1, 6)
        x = np.zeros((1, 4, 4, 3), np.float32)
        x[0, 1, 1, 2] = 1
        maps, _ = layer.apply(x, training=False)
        np.testing.assert_array_equal(maps[0, 0, 0, 4:], kernel[1, 1, 2])
    assert net.layers[0] is layer
