"""Activations: every one that is registered, alone and in whole steps, against PyTorch and finite differences."""

from __future__ import annotations

import numpy as np
import pytest

import cnn
import cnn.reference
from cnn.layers.activation import Elementwise
from cnn.layers.lowering import Layout
from cnn.layers.registry import LAYERS

# How to make each from a namespace, and its name in torch.nn.functional with its arguments.
ACTIVATIONS = {
    "ReLU": (lambda ns: ns.ReLU(), ("relu",)),
    "LeakyReLU": (lambda ns: ns.LeakyReLU(0.2), ("leaky_relu", 0.2)),
    "Tanh": (lambda ns: ns.Tanh(), ("tanh",)),
    "Sigmoid": (lambda ns: ns.Sigmoid(), ("sigmoid",)),
    "GELU": (lambda ns: ns.GELU(), ("gelu",)),
    "SiLU": (lambda ns: ns.SiLU(), ("silu",)),
    "Softplus": (lambda ns: ns.Softplus(), ("softplus", 1, 700)),  # from 700 on, PyTorch takes x for it
}
EVERY_ACTIVATION = pytest.mark.parametrize("name", ACTIVATIONS)
VALUES = [-200.0, -30.0, -3.0, -1.0, -1e-3, -1e-9, -0.0, 0.0, 1e-9, 1e-3, 0.5, 1.0, 3.0, 30.0, 200.0]


def made(ns, name: str, dtype) -> cnn.Layer:
    return ACTIVATIONS[name][0](ns).build((len(VALUES),), dtype=dtype)


def close_to(expected: np.ndarray, dtype: np.dtype, ulps: int = 8):
    """Equal but for the rounding of a few operations, and for what is flushed to zero."""
    info = np.finfo(dtype)
    return pytest.approx(
        expected.astype(np.float64), rel=ulps * float(info.eps), abs=16 * float(info.tiny), nan_ok=True
    )


def test_every_registered_activation_is_tested_here():
    assert {name for name, layer in LAYERS.items() if issubclass(layer, Elementwise)} == set(ACTIVATIONS)


@EVERY_ACTIVATION
def test_output_and_gradient_are_those_of_torch(ns, dtype, name):
    torch = pytest.importorskip("torch")
    function, *arguments = ACTIVATIONS[name][1]
    x = np.array([VALUES, np.random.default_rng(0).standard_normal(len(VALUES))], dtype)
    dy = np.random.default_rng(1).standard_normal(x.shape).astype(dtype)
    layer = made(ns, name, dtype)
    xt = torch.tensor(x.astype(np.float64), requires_grad=True)  # in float64: what is exact to the last digit here
    yt = getattr(torch.nn.functional, function)(xt, *arguments)
    yt.backward(torch.tensor(dy.astype(np.float64)))
    y, dx = layer.forward(x), layer.backward(dy)
    assert y.dtype == dx.dtype == dtype
    if (
        name == "GELU"
    ):  # PyTorch adds 1 to erf, where x is negative; test_gelu_keeps_its_digits_in_both_tails is stricter
        assert y == pytest.approx(
            yt.detach().numpy(), rel=8 * float(np.finfo(dtype).eps), abs=float(np.finfo(dtype).eps)
        )
    else:
        assert y == close_to(yt.detach().numpy(), dtype)
    # A derivative that is computed from y is off by y's rounding, which is no more than that of 1.
    assert dx == pytest.approx(
        xt.grad.numpy(), rel=16 * float(np.finfo(dtype).eps), abs=16 * float(np.finfo(dtype).eps)
    )


@EVERY_ACTIVATION
def test_the_gradient_is_finite_differences(ns, name):
    x = np.random.default_rng(0).uniform(0.1, 2.0, (4, len(VALUES))) * np.random.default_rng(1).choice([-1, 1], (4, 15))
    layer, step = made(ns, name, "float64"), 1e-6
    dy = np.random.default_rng(2).standard_normal(x.shape)
    layer.forward(x)
    dx = layer.backward(dy)
    differences = layer.forward(x + step) - layer.forward(x - step)
    assert dx == pytest.approx(dy * differences / (2 * step), rel=1e-7, abs=1e-8)


@EVERY_ACTIVATION
def test_nan_stays_nan(ns, dtype, name):
    x = np.zeros((1, len(VALUES)), dtype)
    x[0, 3] = np.nan
    assert np.isnan(made(ns, name, dtype).forward(x)).nonzero()[1].tolist() == [3]


def net(name: str, dtype, backend: str = "compiled") -> cnn.Sequential:
    activation = ACTIVATIONS[name][0]
    layers = [cnn.Conv2D(5, 3), activation(cnn), cnn.MaxPool2D(2), cnn.Conv2D(4, 2), cnn.BatchNorm(), activation(cnn)]
    layers += [cnn.Flatten(), cnn.Dense(9), activation(cnn), cnn.Dense(3)]
    return cnn.Sequential(layers, (9, 8, 2), dtype=dtype, seed=1, backend=backend)


def trained(one: cnn.Sequential) -> np.ndarray:
    rng = np.random.default_rng(3)
    x, y = rng.standard_normal((12, 9, 8, 2)), rng.integers(0, 3, 12)
    one.fit(x, y, epochs=3, batch_size=5, optimizer=cnn.SGD(0.05, momentum=0.9), seed=0, progress=False)
    return np.concatenate([value.ravel() for value in one.state().values()] + [one.predict_proba(x).ravel()])


@EVERY_ACTIVATION
def test_whole_steps_are_those_of_the_reference(level, dtype, name):
    expected = trained(net(name, "float64", "numpy"))
    tolerance = 1e-10 if dtype == np.float64 else 2e-4
    assert trained(net(name, dtype)) == pytest.approx(expected, rel=tolerance, abs=tolerance)


@EVERY_ACTIVATION
def test_steps_are_the_same_bits_for_any_number_of_threads(level, dtype, name, thread_counts):
    assert len({trained(net(name, dtype)).tobytes() for _ in thread_counts}) == 1


@EVERY_ACTIVATION
def test_a_saved_activation_is_read_back(tmp_path, name):
    one = net(name, "float32")
    one.save(tmp_path / "net")
    other = cnn.load(tmp_path / "net")
    assert repr(other) == repr(one)
    x = np.random.default_rng(0).standard_normal((3, 9, 8, 2))
    assert np.array_equal(other.predict_proba(x), one.predict_proba(x))


@EVERY_ACTIVATION
def test_the_reference_has_it_as_a_layer_of_its_own(name):
    kind = getattr(cnn.reference, name)
    assert issubclass(kind, getattr(cnn, name))
    assert kind.backend == "numpy"


@pytest.mark.parametrize("bad", [np.nan, np.inf, "steep", None])
def test_a_slope_that_is_no_number_is_refused(bad):
    with pytest.raises((TypeError, ValueError), match="slope must be"):
        cnn.LeakyReLU(bad)


@EVERY_ACTIVATION
@pytest.mark.parametrize("training", [True, False])
def test_an_activation_alone_is_an_elementwise_operation_of_its_function_and_numbers(name, training):
    layer = ACTIVATIONS[name][0](cnn)
    lowering = layer.lower([], [], training)
    assert (lowering.kind, lowering.label, lowering.layers) == ("elementwise", layer.function, 1)
    assert lowering.in_place
    assert lowering.geometry(Layout(), Layout()) == (layer.function, tuple(layer.configuration().values()))
