"""`cnn.export.torch`: what the module is, and that it trains on."""

from __future__ import annotations

import pickle
import sys

import numpy as np
import pytest

import cnn
from cnn.layers import registry

torch = pytest.importorskip("torch", reason="the modules are PyTorch's")

from torch import nn  # noqa: E402

from ..random_nets import assert_same_bits, difference  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def net():
    layers = [
        cnn.Rescaling(1 / 255, -0.5), cnn.Conv2D(4, 3, padding="same", stride=2, bias=False),
        cnn.BatchNorm(momentum=0.75),
        cnn.Residual([cnn.Conv2D(4, 3, padding="same"), cnn.LayerNorm()]), cnn.MaxPool2D(2), cnn.Dropout(0.25),
        cnn.Flatten(), cnn.SiLU(), cnn.Dense(5), cnn.Residual([cnn.Dense(5)], cnn.Dense(5)), cnn.Dense(3),
    ]  # fmt: skip
    net = cnn.Sequential(layers, (12, 10, 2), seed=0)
    for value in net.state().values():
        value[...] += 0.1
    return net


@pytest.fixture
def x():
    return np.random.default_rng(0).integers(0, 256, (6, 12, 10, 2), np.uint8)


def outputs(module, x, dtype=np.float32) -> np.ndarray:
    with torch.inference_mode():
        return module(torch.from_numpy(x.transpose(0, 3, 1, 2).astype(dtype))).numpy()


def test_every_layer_has_the_method():
    assert [name for name, kind in registry.LAYERS.items() if not hasattr(kind, "to_torch")] == []


def test_the_modules_have_the_names_of_the_layers(net):
    module = cnn.export.torch(net)
    assert isinstance(module, nn.Sequential)
    assert not module.training
    assert list(module._modules) == [  # noqa: SLF001
        "rescaling_1", "conv2d_1_zeropad2d", "conv2d_1", "batchnorm_1", "residual_1", "maxpool2d_1", "dropout_1",
        "flatten_1", "silu_1", "dense_1", "residual_2", "dense_2",
    ]  # fmt: skip
    assert module.get_parameter("residual_2.shortcut.dense_2.weight").shape == (5, 5)
    assert (module.batchnorm_1.momentum, module.dropout_1.p) == (0.25, 0.25)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_outputs_agree_in_both_precisions(net, x, dtype):
    made = cnn.Sequential([layer.anew() for layer in net.layers], net.input_shape, dtype, seed=0)
    module = cnn.export.torch(made)
    assert {str(value.dtype) for value in module.parameters()} == {f"torch.{dtype}"}
    largest = 1e-5 if dtype == "float32" else 1e-13
    assert difference(outputs(module, x, dtype), made.predict_logits(x)) <= largest
    assert_same_bits(made, cnn.from_torch(module, made.input_shape), x)


def test_the_tensors_are_copies(net, x):
    module, before = cnn.export.torch(net), net.predict_logits(x)
    with torch.no_grad():
        for value in module.parameters():
            value.zero_()
    assert net.predict_logits(x).tobytes() == before.tobytes()


def test_a_module_is_trained_on_and_comes_back(net, x):
    module = cnn.export.torch(net).train()
    optimizer = torch.optim.SGD(module.parameters(), 0.01)
    images, labels = torch.from_numpy(x.transpose(0, 3, 1, 2).astype(np.float32)), torch.tensor([0, 1, 2, 0, 1, 2])
    for _ in range(3):
        optimizer.zero_grad()
        nn.functional.cross_entropy(module(images), labels).backward()
        optimizer.step()
    back = cnn.from_torch(module.eval(), net.input_shape)
    assert difference(back.predict_logits(x), outputs(module, x)) <= 1e-5
    assert difference(back.predict_logits(x), net.predict_logits(x)) > 1e-3
    assert back.layers[2].statistics["mean"].tobytes() != net.layers[2].statistics["mean"].tobytes()


def test_one_step_of_both_gives_the_same_parameters(x):
    layers = [cnn.Conv2D(4, 3), cnn.BatchNorm(momentum=0.75), cnn.ReLU(), cnn.Flatten(), cnn.Dense(3)]
    net = cnn.Sequential(layers, (12, 10, 2), "float64", seed=0)
    module, images, labels = cnn.export.torch(net).train(), x / 255, np.array([0, 1, 2, 0, 1, 2])
    optimizer = torch.optim.SGD(module.parameters(), 0.1)
    given = torch.from_numpy(images.transpose(0, 3, 1, 2).copy())
    nn.functional.cross_entropy(module(given), torch.from_numpy(labels)).backward()
    optimizer.step()
    net.train_on_batch(images, labels, cnn.SGD(0.1))
    for name, value in cnn.from_torch(module, net.input_shape).state().items():
        np.testing.assert_allclose(value, net.state()[name], rtol=0, atol=1e-12, err_msg=name)


def test_frozen_layers_have_no_gradient(net):
    net.layers[1].trainable = False
    module = cnn.export.torch(net)
    assert not module.conv2d_1.weight.requires_grad
    assert module.dense_1.weight.requires_grad


def test_a_module_can_be_pickled(net, x):
    module = cnn.export.torch(net)
    assert outputs(pickle.loads(pickle.dumps(module)), x).tobytes() == outputs(module, x).tobytes()


class Reversed(cnn.ReLU):
    def apply(self, x, training):
        return -x, None

    def apply_gradient(self, dy, kept):
        return -dy


def test_a_layer_without_the_method_is_named():
    with pytest.raises(ValueError, match="reversed_1, a Reversed, cannot be written as a module of PyTorch"):
        cnn.export.torch(cnn.Sequential([Reversed()], (4,)))


def test_without_pytorch_the_error_says_how_to_install_it(net, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ImportError, match=r"pip install 'cnn-c\[torch\]'"):
        cnn.export.torch(net)
    with pytest.raises(ImportError, match=r"pip install 'cnn-c\[torch\]'"):
        cnn.from_torch(net, (2,))
