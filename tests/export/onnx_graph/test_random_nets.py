"""Random nets in ONNX Runtime, and read back."""

from __future__ import annotations

import numpy as np
import pytest

import cnn
from cnn.layers import registry

from .. import random_nets

pytest.importorskip("onnx", reason="the package onnx writes the files")
onnxruntime = pytest.importorskip("onnxruntime", reason="it runs them")

pytestmark = pytest.mark.usefixtures("one_thread")

LARGEST = 1e-5  # difference, relative to the largest logit: some hundred roundings of float32


def run(path, images, output=None) -> np.ndarray:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (result,) = session.run(output, {session.get_inputs()[0].name: random_nets.channels_first(images)})
    return result


def agreement(folder):
    """A function that writes a net, has it run and reads it back; the difference between the logits."""

    def disagreement(net: cnn.Sequential, images: np.ndarray) -> float:
        path = folder / "net.onnx"
        cnn.export.onnx(net, path, input_dtype=images.dtype.name)
        random_nets.assert_same_bits(net, cnn.from_onnx(path), images)
        result = random_nets.difference(run(path, images), net.predict_logits(images))
        assert result <= LARGEST, result
        return result

    return disagreement


def test_random_nets_agree_with_onnx_runtime_and_come_back_with_the_same_bits(tmp_path):
    random_nets.check(30, 0, agreement(tmp_path))


@pytest.mark.slow
def test_many_random_nets_of_all_layers(tmp_path):
    largest, seen = random_nets.check(200, 1, agreement(tmp_path))
    print(f"the largest difference from ONNX Runtime: {largest:.2g} of the largest logit")
    assert seen == registry.LAYERS.keys()
