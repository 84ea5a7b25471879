"""Random nets as modules of PyTorch, and back."""

from __future__ import annotations

import numpy as np
import pytest

import cnn
from cnn.layers import registry

from .. import random_nets

torch = pytest.importorskip("torch", reason="the modules are PyTorch's")

pytestmark = pytest.mark.usefixtures("one_thread")

LARGEST = 1e-5  # difference, relative to the largest logit: some hundred roundings of float32


def disagreement(net: cnn.Sequential, images: np.ndarray) -> float:
    """The difference between the logits; what comes back has the same bits."""
    module = cnn.export.torch(net)
    random_nets.assert_same_bits(net, cnn.from_torch(module, net.input_shape), images)
    with torch.inference_mode():
        x = torch.from_numpy(random_nets.channels_first(images).astype(net.dtype))
        result = random_nets.difference(module(x).numpy(), net.predict_logits(images))
    assert result <= LARGEST, result
    return result


def test_random_nets_agree_with_pytorch_and_come_back_with_the_same_bits():
    random_nets.check(30, 0, disagreement)


@pytest.mark.slow
def test_many_random_nets_of_all_layers():
    largest, seen = random_nets.check(200, 1, disagreement)
    print(f"the largest difference from PyTorch: {largest:.2g} of the largest logit")
    assert seen == registry.LAYERS.keys()
