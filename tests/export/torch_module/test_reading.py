"""`cnn.from_torch`: modules as people write them, and those that are no nets here."""

from __future__ import annotations

import numpy as np
import pytest

import cnn

torch = pytest.importorskip("torch", reason="the modules are PyTorch's")

from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from .. import torch_models  # noqa: E402
from ..random_nets import difference  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize("name", torch_models.MODELS)
def test_modules_as_people_write_them(name):
    module, x = torch_models.made(name), torch_models.images(4)
    logits = cnn.from_torch(module, (28, 28, 1)).predict_logits(x.numpy().transpose(0, 2, 3, 1))
    if name == "MNIST example":
        logits = torch.log_softmax(torch.from_numpy(logits), 1).numpy()
    assert difference(logits, torch_models.outputs(module, x)) <= 1e-5


class Calls(nn.Module):
    """A module whose `forward` is a function of maps (n, 2, 6, 5), with dense layers behind it."""

    def __init__(self, forward, inputs: int):
        super().__init__()
        self.calls, self.dense = forward, nn.Linear(inputs, 3)

    def forward(self, x):
        return self.dense(self.calls(x))


# Functions of maps (n, 2, 6, 5) to rows, how long these are, and the layers.
CALLS = {
    "view of any batch": (lambda x: x.view(-1, 60), 60, ["Flatten"]),
    "reshape by a shape": (lambda x: x.reshape(x.shape[0], -1), 60, ["Flatten"]),
    "reshape by a product": (lambda x: x.reshape(x.size(0), x.size(1) * x.shape[2] * 5), 60, ["Flatten"]),
    "permute": (lambda x: x.permute(0, 2, 3, 1).flatten(1), 60, ["Flatten"]),
    "transpose twice": (lambda x: x.transpose(1, 3).transpose(1, 2).contiguous().flatten(1), 60, ["Flatten"]),
    "means": (lambda x: x.mean([2, 3]), 2, ["GlobalAvgPool2D"]),
    "maxima": (lambda x: F.adaptive_max_pool2d(x, 1).squeeze(-1).squeeze(-1), 2, ["GlobalMaxPool2D"]),
    "maxima by amax": (lambda x: torch.amax(x, (-1, -2)), 2, ["GlobalMaxPool2D"]),
    "windows": (lambda x: F.adaptive_avg_pool2d(x, (3, 5)).flatten(1), 30, ["AvgPool2D", "Flatten"]),
    "activations": (
        lambda x: F.softplus(F.leaky_relu(x.sigmoid(), 0.3)).tanh().flatten(1), 60,
        ["Sigmoid", "LeakyReLU", "Softplus", "Tanh", "Flatten"],
    ),
    "x times its sigmoid": (lambda x: (x * torch.sigmoid(x)).flatten(1), 60, ["SiLU", "Flatten"]),
    "the error function": (
        lambda x: (0.5 * x * (1 + torch.erf(x / 2**0.5))).flatten(1), 60, ["GELU", "Flatten"],
    ),
    "arithmetic": (
        lambda x: ((1 - x) * 2 + 0.5).flatten(1), 60, ["Rescaling", "Rescaling", "Flatten"],
    ),
    "a block": (lambda x: (x + F.relu(x)).flatten(1), 60, ["Residual", "Flatten"]),
    "dropout": (lambda x: F.dropout(x, 0.25, training=False).flatten(1), 60, ["Dropout", "Flatten"]),
}  # fmt: skip


@pytest.mark.parametrize("case", CALLS)
def test_functions_and_methods(case):
    forward, inputs, layers = CALLS[case]
    module, x = Calls(forward, inputs).eval(), torch.randn(4, 2, 6, 5, generator=torch.Generator().manual_seed(0))
    net = cnn.from_torch(module, (6, 5, 2))
    assert [type(layer).__name__ for layer in net.layers] == [*layers, "Dense"]
    logits = net.predict_logits(x.numpy().transpose(0, 2, 3, 1))
    assert difference(logits, torch_models.outputs(module, x)) <= 1e-5


def test_rows_of_which_the_module_makes_maps():
    module = nn.Sequential(nn.Unflatten(1, (1, 6, 5)), nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(24, 3))
    x = torch.randn(4, 30)
    net = cnn.from_torch(module, (30,))
    assert net.input_shape == (6, 5, 1)
    np.testing.assert_allclose(
        net.predict_logits(x.numpy().reshape(4, 6, 5, 1)), torch_models.outputs(module, x), rtol=0, atol=1e-6
    )


def test_dropout_momentum_and_epsilon_are_kept():
    module = nn.Sequential(nn.BatchNorm2d(2, eps=0.25, momentum=0.25), nn.Dropout2d(0.3), nn.Flatten(), nn.Linear(8, 2))
    norm, dropout, *_ = cnn.from_torch(module, (2, 2, 2)).layers
    assert (norm.momentum, norm.epsilon, dropout.rate) == (0.75, 0.25, 0.3)


def test_float64_backend_and_loss():
    module = nn.Sequential(nn.Linear(3, 2)).double()
    net = cnn.from_torch(module, (3,), "numpy", loss=cnn.losses.Huber())
    assert (net.dtype, net.backend, repr(net.loss)) == (np.float64, "numpy", "Huber(delta=1.0)")
    assert cnn.from_torch(nn.Linear(3, 2), (3,)).predict_logits(np.zeros((1, 3))).shape == (1, 2)


def test_a_sigmoid_at_the_end_is_left_out_where_the_loss_has_one():
    module, x = nn.Sequential(nn.Linear(3, 2), nn.Sigmoid()), torch.randn(4, 3)
    net = cnn.from_torch(module, (3,), loss=cnn.losses.BinaryCrossEntropy())
    np.testing.assert_allclose(net.predict_proba(x.numpy()), torch_models.outputs(module, x), rtol=0, atol=1e-6)
    assert [type(layer).__name__ for layer in cnn.from_torch(module, (3,)).layers] == ["Dense", "Sigmoid"]


class Choosing(nn.Module):
    def forward(self, x):
        return x if x.sum() > 0 else -x


class Two(nn.Module):
    def forward(self, x, y):
        return x + y


class Named(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(1, 2, 3), nn.InstanceNorm2d(2))

    def forward(self, x):
        return self.features(x).flatten(1)


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (Named(), r"'features_1' \(InstanceNorm2d 'features.1', 3 of 5\): no layer here computes that"),
        (nn.Sequential(nn.ReLU6(), nn.Flatten()), r"'_0' \(ReLU6 '0', 2 of 4\)"),
        (nn.Sequential(nn.Flatten(), nn.Sequential(Choosing())), r"forward of '1.0', a Choosing, is no fixed sequence"),
        (Calls(lambda x: F.relu6(x).flatten(1), 784), r"'relu6' \(relu6, 2 of"),
        (Calls(lambda x: x.cumsum(1).flatten(1), 784), r"'cumsum' \(cumsum, 2 of"),
        (Calls(lambda x: x - x.relu(), 784), "it subtracts two tensors"),
        (Calls(lambda x: x.flatten(2), 784), "must flatten all axes but the batch's"),
        (Two(), "forward must take one tensor"),
        (nn.Sequential(nn.Conv2d(1, 1, 3, padding=1, padding_mode="reflect"), nn.Flatten()), "padding_mode must be"),
        (nn.Sequential(nn.MaxPool2d(3, ceil_mode=True), nn.Flatten()), "windows must not reach over the end"),
        (nn.Sequential(nn.AvgPool2d(3, padding=1), nn.Flatten()), "must not count the zeros"),
        (nn.Sequential(nn.Conv2d(3, 1, 3), nn.Flatten()), "take 3 channels, got 1"),
        (nn.Sequential(nn.GELU("tanh"), nn.Flatten()), "approximate must be 'none'"),
        (nn.Sequential(nn.Linear(28, 2), nn.Flatten()), "multiplies maps of shape"),
        (nn.Sequential(nn.Conv2d(1, 1, 3)), "output must be a row for each image"),
        (
            nn.Sequential(nn.Flatten(), nn.Linear(784, 2)).half(),
            "must be all of float32 or all .*, got float16",
        ),
    ],
)
def test_what_is_refused(module, message):
    with pytest.raises(ValueError, match=message):
        cnn.from_torch(module, (28, 28, 1))


def test_arguments_that_are_none():
    with pytest.raises(TypeError, match=r"module must be a torch\.nn\.Module, got"):
        cnn.from_torch([nn.Linear(2, 2)], (2,))
    with pytest.raises(ValueError, match="input_shape"):
        cnn.from_torch(nn.Linear(2, 2), ())
