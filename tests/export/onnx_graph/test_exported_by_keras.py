"""Models that Keras itself exported, which `keras/make.py` made, are read, and give what Keras predicted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import cnn

from ..random_nets import difference

pytest.importorskip("onnx", reason="it reads the files")

pytestmark = pytest.mark.usefixtures("one_thread")

FOLDER = Path(__file__).parent / "keras"
LAYERS = {
    "example": ["Conv2D", "ReLU", "MaxPool2D", "Conv2D", "ReLU", "MaxPool2D", "Flatten", "Dense"],
    "residual": [
        "Conv2D", "ReLU", "Residual", "LayerNorm", "GlobalMaxPool2D", "Dense", "Sigmoid", "Dense", "Softplus",
    ],
    "rows": ["Flatten", "Dense", "ReLU", "LayerNorm", "Dense"],
}  # fmt: skip


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.onnx")), ids=lambda path: path.stem)
def test_models_of_keras(path):
    net, made = cnn.from_onnx(path), np.load(path.with_suffix(".npz"))
    name = path.stem.partition("_")[0]
    assert name not in LAYERS or [type(layer).__name__ for layer in net.layers] == LAYERS[name]
    outputs = net.predict_proba(made["x"]) if name in ("example", "rows") else net.predict_logits(made["x"])
    assert difference(outputs, made["y"]) <= 1e-5
