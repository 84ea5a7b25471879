"""`Sequential.load_state_dict`: a module's tensors by position, from a mapping or a safetensors file."""

from __future__ import annotations

import numpy as np
import pytest
from safetensors.numpy import save_file

import cnn

torch = pytest.importorskip("torch", reason="the modules are PyTorch's")

from torch import nn  # noqa: E402


class LeNet(nn.Module):
    """With names as people give them."""

    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 6, 5), nn.Conv2d(6, 16, 5)
        self.fc1, self.fc2, self.fc3 = nn.Linear(256, 120), nn.Linear(120, 84), nn.Linear(84, 10)

    def forward(self, x):
        x = nn.functional.max_pool2d(self.conv1(x).relu(), 2)
        x = nn.functional.max_pool2d(self.conv2(x).relu(), 2)
        x = self.fc1(x.flatten(1)).relu()
        return self.fc3(self.fc2(x).relu())


def lenet(seed: int) -> cnn.Sequential:
    layers = [
        cnn.Conv2D(6, 5, activation="relu"), cnn.MaxPool2D(), cnn.Conv2D(16, 5, activation="relu"), cnn.MaxPool2D(),
        cnn.Flatten(), cnn.Dense(120, activation="relu"), cnn.Dense(84, activation="relu"), cnn.Dense(10),
    ]  # fmt: skip
    return cnn.Sequential(layers, (28, 28, 1), seed=seed)


def outputs(module, x) -> np.ndarray:
    with torch.inference_mode():
        return module.eval()(torch.from_numpy(x.transpose(0, 3, 1, 2).copy())).numpy()


@pytest.fixture
def x():
    return np.random.default_rng(0).standard_normal((5, 28, 28, 1)).astype(np.float32)


def test_a_lenet_from_its_safetensors_file(tmp_path, x):
    module, net = LeNet(), lenet(0)
    save_file({name: value.numpy() for name, value in module.state_dict().items()}, tmp_path / "lenet.safetensors")
    net.load_state_dict(tmp_path / "lenet.safetensors")
    np.testing.assert_allclose(net.predict_logits(x), outputs(module, x), rtol=0, atol=1e-6)


def test_a_mapping_with_normalisations_and_more_than_ten_modules(tmp_path):
    module = nn.Sequential(
        nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.BatchNorm1d(64),
        nn.Linear(64, 9), nn.LayerNorm(9), nn.Linear(9, 9), nn.Tanh(), nn.Linear(9, 9), nn.Linear(9, 9),
        nn.Linear(9, 2),
    )  # fmt: skip
    x = np.random.default_rng(0).standard_normal((8, 6, 6, 3)).astype(np.float32)
    module(torch.from_numpy(x.transpose(0, 3, 1, 2).copy()))  # so that running statistics are others
    layers = [
        cnn.Conv2D(4, 3, bias=False), cnn.BatchNorm(), cnn.ReLU(), cnn.Flatten(), cnn.BatchNorm(), cnn.Dense(9),
        cnn.LayerNorm(), cnn.Dense(9), cnn.Tanh(), cnn.Dense(9), cnn.Dense(9), cnn.Dense(2),
    ]  # fmt: skip
    net = cnn.Sequential(layers, (6, 6, 3), seed=0)
    save_file({name: value.numpy() for name, value in module.state_dict().items()}, tmp_path / "net.safetensors")
    for source in (module.state_dict(), str(tmp_path / "net.safetensors")):
        net.set_parameters({name: np.zeros_like(value) for name, value in net.state().items()})
        net.load_state_dict(source)
        np.testing.assert_allclose(net.predict_logits(x), outputs(module, x), rtol=0, atol=1e-5)


def test_the_state_of_what_was_written_here_with_a_residual_block():
    net = cnn.models.resnet_small((16, 16, 2), classes=3, seed=0)
    other = cnn.models.resnet_small((16, 16, 2), classes=3, seed=1)
    other.load_state_dict(cnn.export.torch(net).state_dict())
    for name, value in net.state().items():
        assert value.tobytes() == other.state()[name].tobytes()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("fc3.weight"), "'fc3' must have weight, bias for dense_3, got bias"),
        (lambda state: [state.pop(f"fc3.{each}") for each in ("weight", "bias")], "must have tensors for dense_3"),
        (lambda state: state.update({"x.weight": torch.zeros(1)}), "beside those of the net's layers, got 'x'"),
        (lambda state: state.update({"fc1.bias": torch.zeros(7)}), r"fc1.bias must fit dense_1.bias \(120,\), got .*7"),
        (lambda state: state.update({"fc1.bias": "text"}), "'fc1.bias' must be a tensor of numbers, got str"),
    ],
)
def test_what_does_not_fit_is_named_and_nothing_changes(change, message):
    net, state = lenet(0), dict(LeNet().state_dict())
    change(state)
    before = net.snapshot()
    with pytest.raises((TypeError, ValueError), match=message):
        net.load_state_dict(state)
    assert all((value == before[name]).all() for name, value in net.state().items())


def test_files_that_are_none(tmp_path):
    path = tmp_path / "net.safetensors"
    path.write_bytes(b"\x80nothing")
    with pytest.raises(ValueError, match=r"net.safetensors' cannot be loaded: it is no file of safetensors"):
        lenet(0).load_state_dict(path)
    with pytest.raises(FileNotFoundError):
        lenet(0).load_state_dict(tmp_path / "missing")
    with pytest.raises(TypeError, match="source must be"):
        lenet(0).load_state_dict(3)
